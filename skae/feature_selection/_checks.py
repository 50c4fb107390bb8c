"""Parameters of a feature selector that cannot be."""

from skae._params import Amount, as_number


def check_temperatures(temperatures):
    """Raise a ``ValueError`` unless there are two temperatures, the second no higher."""
    numbers = all(map(Amount(closed="right").is_satisfied_by, temperatures))
    if not (numbers and len(temperatures) == 2 and 0 < temperatures[1] <= temperatures[0]):
        raise ValueError(
            "temperatures must be two positive numbers, that of the start and a "
            f"lower one of the end. Got {temperatures!r}."
        )


def check_number(wanted, n_features):
    """Raise a ``ValueError`` if more columns are wanted than there are."""
    wanted = as_number(wanted)
    if isinstance(wanted, bool):
        raise ValueError(
            f"n_features_to_select={wanted} is no number. Use an integer, a share such "
            "as 0.5, or 'auto'."
        )
    if wanted != "auto" and wanted > n_features:
        raise ValueError(
            f"n_features_to_select={wanted} is more than the {n_features} columns "
            f"of X. Use at most {n_features}, a share such as 0.5, or 'auto'."
        )
