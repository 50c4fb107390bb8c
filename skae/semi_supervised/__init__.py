"""Classes and numbers of all rows from those of few."""
