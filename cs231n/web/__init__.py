"""`python -m cs231n web`: the notebooks as a folder of static pages, whose cells run in the browser."""
