"""Rows and tables: checked, read, described, split."""
