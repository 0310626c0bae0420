"""The style of a page: CSS, and the glyphs of the font for mathematics that the page uses.

Browsers draw MathML themselves, but well only with a font made for mathematics. A phone or a bare Linux may
have none, so each page embeds a part of STIX Two Math.
"""

import base64
import io
from importlib.util import find_spec
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont
from pygments.formatters import HtmlFormatter

__all__ = ["style_of"]

STYLE = Path(__file__).with_name("templates") / "style.css"


def style_of(page: str) -> str:
    """The CSS of a page, given its HTML: that of all pages, the colours of code, and the font it needs."""
    light = HtmlFormatter(style="default").get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    css = STYLE.read_text(encoding="utf-8")
    if "<math" in page:
        css += f"@font-face {{ font-family: 'STIX Two Math subset'; src: url({_font_url(page)}); }}\n"
    return f"{light}\n@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}\n{css}"


def _font_url(page: str) -> str:
    """The glyphs of STIX Two Math that `page` needs, as a data: URL."""
    ziamath = find_spec("ziamath")  # only its font is used, so it is not imported
    assert ziamath is not None and ziamath.submodule_search_locations is not None
    path = f"{ziamath.submodule_search_locations[0]}/fonts/STIXTwoMath-Regular.ttf"
    options = subset.Options(flavor="woff")
    glyphs = subset.Subsetter(options)
    # A browser takes a lone letter from the italic blocks, h from another place, and adds the sign of a root.
    glyphs.populate(text=page + "\u210e\u221a", unicodes=[*range(0x1D434, 0x1D468), *range(0x1D6E2, 0x1D71C)])
    out = io.BytesIO()
    with subset.load_font(path, options) as whole:
        glyphs.subset(whole)
        _narrow_roots(whole)
        subset.save_font(whole, out, options)
    return "data:font/woff;base64," + base64.b64encode(out.getvalue()).decode("ascii")


def _narrow_roots(font: TTFont) -> None:
    """Make all sizes of the root sign as wide as the smallest.

    Chromium makes each root as wide as the widest sign, and would leave a gap after the others.
    """
    variants = font["MATH"].table.MathVariants
    sign = font.getBestCmap()[ord("√")]
    sizes = variants.VertGlyphConstruction[variants.VertGlyphCoverage.glyphs.index(sign)]
    parts = sizes.GlyphAssembly.PartRecords if sizes.GlyphAssembly else []
    names = {record.VariantGlyph for record in sizes.MathGlyphVariantRecord} | {part.glyph for part in parts}
    width = font["hmtx"][sign][0]
    for name in names - {sign}:
        glyph, (advance, bearing) = font["glyf"][name], font["hmtx"][name]
        glyph.coordinates.scale((width / advance, 1))
        glyph.recalcBounds(font["glyf"])
        font["hmtx"][name] = (width, round(bearing * width / advance))
