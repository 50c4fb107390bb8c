"""What may be said of the net itself, in `net_params`."""

from skae._training.callbacks import check_callbacks

OWNED = {  # what the parameters say, and net_params may not
    "module": "network", "criterion": "likelihood", "lr": "learning_rate",
    "optimizer__lr": "learning_rate", "max_epochs": "max_iter",
    "batch_size": "batch_size", "train_split": "validation_fraction",
    "device": "device", "warm_start": "warm_start", "verbose": "verbose",
    "iterator_train": "batch_size", "iterator_valid": "batch_size",
    "dataset": "batch_size", "predict_nonlinearity": "likelihood",
    "alpha": "alpha", "l1_ratio": "l1_ratio", "patience": "n_iter_no_change",
    "tol": "tol", "further_lr": "adversarial_learning_rate",
    "adversarial_lr": "adversarial_learning_rate", "instance_noise": "instance_noise",
}  # fmt: skip
INTERRUPTED = (
    "Training was interrupted: the best weights so far are kept, as "
    "net_params={'keep_on_interrupt': True} asks for."
)


def check_net_params(net_params, holds_out):
    """Raise a ``ValueError`` for what has an owner, or can be of no use here."""
    for name in net_params or ():
        if not isinstance(name, str):
            raise ValueError(f"net_params: {name!r} is no name of a parameter.")
        owner = OWNED.get(name, OWNED.get(name.split("__")[0]))
        if owner is not None:
            raise ValueError(
                f"net_params: {name!r} is not for net_params; set it by the "
                f"parameter {owner} instead."
            )
    check_callbacks((net_params or {}).get("callbacks"), holds_out)
