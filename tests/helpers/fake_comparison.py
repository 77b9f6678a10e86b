"""What every row of `comparison.tsv` says of probabilities, for tests of its words and pictures."""

CHANCES = {"p_better": 0.93, "p_better_margin": 0.61, "p_equal": 0.35, "p_worse_margin": 0.04, "margin": 0.02}
