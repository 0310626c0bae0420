"""Search over hyper-parameters with Optuna, on one machine or on several; docs/search.md is the manual."""
