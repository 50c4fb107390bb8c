"""What to do about a sign of trouble: never what has been done already.

Each function reads a `Recipe`, or a `Task`, and returns a sentence.
"""

from skae.networks._convolutional import ConvolutionalNetwork
from skae.networks._dense import DenseNetwork

USUAL_RATE, USUAL_ALPHA = 5e-3, 1e-4
ENOUGH = 0.9  # of the variance: what a code should be wide enough for
LIVELY = ("silu", "leaky_relu", "elu")  # their slope is nowhere zero for long


def either(ways):
    """Return ways as a sentence: "Do this, that, or the other"."""
    *ways, last = ways
    comma = "," if len(ways) > 1 else ""
    text = f"{', '.join(ways)}{comma} or {last}" if ways else last
    return text[0].upper() + text[1:]


def n_epochs(task):
    """Return how many epochs a training had."""
    return len(task.net.history) - task.n_before


def more_training(recipe, n_epochs, explained_by_pca):
    """Return what to do where a code of this size could say more of the rows."""
    network, schedule = recipe.network, recipe.schedule
    stopped = n_epochs < schedule.max_iter
    ways = [f"raise {'n_iter_no_change' if stopped else 'max_iter'}"]
    slow = schedule.learning_rate <= USUAL_RATE
    ways.append(f"{'raise' if slow else 'lower'} learning_rate")
    if schedule.alpha > USUAL_ALPHA:
        ways.append("lower alpha")
    if isinstance(network, ConvolutionalNetwork):
        ways.append("take more filters")
    elif not isinstance(network, DenseNetwork):
        ways.append("widen the network")
    else:
        ways += _of_a_dense_one(network)
    if isinstance(network, DenseNetwork | ConvolutionalNetwork) and network.activation in (
        "sigmoid",
        "tanh",
    ):
        ways.append("use activation='silu'")
    if not starts_linear(network):
        ways.append("use network='auto', which starts from the principal components")
    if explained_by_pca < ENOUGH:
        ways.append("raise n_components, for a code that can say more")
    return either(ways)


def _of_a_dense_one(network):
    if network.hidden_layer_sizes:
        yield "widen the network"
    else:
        yield "give the network hidden layers"
    if network.dropout:
        yield "lower its dropout"


def starts_linear(network):
    """Tell whether a network starts at principal components, or cannot."""
    if isinstance(network, ConvolutionalNetwork):
        return True  # whose network="auto" is another one
    return isinstance(network, DenseNetwork) and (
        network.linear_path or not network.hidden_layer_sizes
    )


def less_freedom(recipe):
    """Return what to do where rows are learnt by heart."""
    network = recipe.network
    ways = ["use more rows", "a smaller n_components or network", "a larger alpha"]
    if isinstance(network, DenseNetwork) and network.hidden_layer_sizes:
        more = "a larger dropout" if network.dropout else "dropout"
        ways.append(f"{more}, skae.networks.DenseNetwork(dropout=...)")
    if recipe.corruption is None:
        ways.append("corruption='gaussian' or 'masking', as DenoisingAutoencoder does")
    return either(ways)


def calmer(task):
    """Return what to do where training has diverged."""
    return either(_calmer(task))


def past_the_start(task):
    """Return what to do where no epoch was better than the start."""
    stopped = n_epochs(task) < task.recipe.schedule.max_iter
    ways = [*_calmer(task), f"raise {'n_iter_no_change' if stopped else 'max_iter'}"]
    return either([*ways, "regularise with a larger alpha"])


def _calmer(task):
    yield "lower learning_rate"
    if task.train.batch_size < len(task.train.index):
        yield "raise batch_size"


def longer_game(task):
    """Return what to do where an adversary has not brought codes to the prior."""
    most = task.recipe.schedule.max_iter
    ways = [f"train for longer, by max_iter={3 * most}"]
    if n_epochs(task) < most:  # a judge of reconstructions, too, has ended it
        ways = [f"train for longer, by early_stopping=False and max_iter={3 * most}"]
    ways += ["change adversarial_learning_rate", "raise instance_noise"]
    if task.n_components > 1:
        ways.append("use fewer n_components")
    return either([*ways, "a prior that is more like the data"])


def livelier(recipe):
    """Return what to do about hidden units that are constant."""
    network = recipe.network
    ways = ["lower learning_rate", "use fewer units"]
    if isinstance(network, DenseNetwork | ConvolutionalNetwork):
        if network.normalization is None:
            ways.insert(0, "use normalization='layer'")
        if network.activation != "linear":
            others = [repr(name) for name in LIVELY if name != network.activation]
            ways.insert(0, f"use activation={' or '.join(others)}")
    return either(ways)


def livelier_code(recipe, activation):
    """Return what to do about units of the code that are constant."""
    ways = ["lower learning_rate", "use a smaller n_components"]
    if recipe.n_components is None:
        ways[1] = "use a narrower code"
    if activation != "linear":
        ways.insert(0, "use code_activation='linear'")
    return either(ways)
