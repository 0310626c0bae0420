"""`python -m cs231n run`: execute the notebooks, collect their results, render them as pages."""
