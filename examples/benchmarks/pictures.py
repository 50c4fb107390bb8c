"""Pictures: noise and holes, codes as features, convolutions, compression.

Pictures are MNIST's (see `_data.py`), 10,000 to train on, 5,000 to test on. Nobody sees a
test picture before it is judged. Values are means over seeds.

noise: 1,000 test pictures in [0, 1], corrupted once: normal noise of 0.5 (not clipped), a
    quarter of the pixels black or white, or a hole of 10 x 10 black pixels (holes that hide
    less than a tenth of a picture's ink are not counted). PSNR is the mean over pictures of
    10 log10(1 / mean squared error), everybody's output and the noisy input clipped to
    [0, 1]; SSIM is scikit-image's. Autoencoders get the pictures as they are, (n, 28, 28),
    and 20 epochs. Rivals: scipy's median filter; scikit-image's non-local means and wavelet
    shrinkage (by itself or averaged over 16 shifts), which are told the noise's root mean
    square; projection on principal components of clean pictures; ridge regression. Their
    settings are those that do best on 200 corrupted training pictures, held back from PCA
    and ridge. With normal noise they are also given clipped input, with settings of their
    own, and the row has the better of the two, as judged by the training pictures; "input
    clipped / not" has both. "Told": who may know where the hole is, and keeps the rest of
    the picture: biharmonic inpainting, the conditional mean of probabilistic PCA, and ours
    by `reconstruct(X, mask)`; the others are blind, ours by `denoise(X)`. "fit time" is in
    units of PCA's fit with the number of components chosen.
codes: accuracy on all test pictures of a logistic regression on standardised codes of the
    clean training pictures, for clean and noisy test pictures (normal noise of 0.5, by
    which the denoising autoencoder is also trained).
convolution: autoencoders with a code of 32, 20 epochs, batches of 128, judged by the mean
    squared error per pixel of test pictures, relative to the pixels' variance in training.
    Convolutional networks stand beside dense ones of about as many parameters; "±" is half
    the range over seeds.
fit_time: `ConvolutionalAutoencoder(32)` against the same network in a hand-written loop of
    torch layers (`_common.train`), in torch's default memory format and in the faster one
    that skae uses ("channels last"); "clipped" also clips gradients, as skae does.
compression: real bytes from an autoencoder's codes, against JPEG, WebP and PCA;
    `_coder.py` says how. MNIST: 1,000 to test on. Olivetti faces (64 x 64): the 300
    pictures of the people 0 to 29 to train on, the 100 of the people 30 to 39 to test on.
    All that a decoder has to know comes from training pictures. But test pictures were not
    unseen when this was written: of two shapes of `map` for each data set, and with and
    without `linear_path` for `conv`, one was kept with the test error of a trial in view.
    "dense" is `Autoencoder(k)`, "conv" `ConvolutionalAutoencoder(k)`, and "map" a
    `ConvolutionalAutoencoder(None)` whose code is the last of its maps, of 4 x 7 x 7
    (MNIST) or 8 x 8 x 8 numbers. Curves over a dozen steps are interpolated (linear in the
    logarithm of the bits) at fixed rates, and empty outside of what was measured;
    "decoder" is its numbers in kilobytes of float32.
"""

import itertools
from functools import partial

import numpy as np
import torch
from _coder import Flat, at_rates, curve, files, kilobytes
from _common import (
    FIGURES,
    Table,
    interleaved,
    needed,
    optional,
    pyplot,
    seconds,
    spread,
    train,
)
from _data import load
from scipy.ndimage import median_filter
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

import skae
from skae.corruption import Gaussian, RegionMasking, SaltAndPepper
from skae.networks import ConvolutionalNetwork, DenseNetwork

CORRUPTIONS = {
    "Gaussian(0.5)": Gaussian(0.5),
    "salt and pepper, 25 %": SaltAndPepper(0.25),
    "hole of 10 x 10": RegionMasking(10, fill=0.0),
}
N_HELD_BACK, N_SLOW = 200, 100  # training pictures for settings; for the slow ones
LEAST_INK = 0.1  # share of a picture that a hole must hide to count
CONVOLUTIONAL = {"batch_size": 128}


def mnist(n_train=None, n_test=None):
    """Return X_train, y_train, X_test, y_test, in [0, 1]."""
    data = load("mnist")
    X_train, X_test = ((data[k] / 255).astype(np.float32) for k in ("X_train", "X_test"))
    return X_train[:n_train], data["y_train"][:n_train], X_test[:n_test], data["y_test"]


def flat(X):
    """Return pictures as rows."""
    return X.reshape(len(X), -1)


def corrupt(name, X, seed):
    """Return corrupted pictures, and where their holes are (None, if they have none)."""
    noisy = CORRUPTIONS[name].corrupt(X, random_state=seed)
    if name != "hole of 10 x 10":
        return noisy, None
    holes = CORRUPTIONS[name].corrupt(np.ones_like(X), random_state=seed) == 0
    return noisy, holes


class Sight:
    """How close pictures are to the true ones: mean PSNR and SSIM of those that count."""

    def __init__(self, X, mask=None):
        self.X, self.counted = X, np.ones(len(X), dtype=bool)
        if mask is not None:
            ink = np.square(X).sum((1, 2))
            self.counted = (np.square(X) * mask).sum((1, 2)) >= LEAST_INK * ink

    def psnr(self, Y, clip=True):
        """Return the mean PSNR in dB, the pictures' range being 1."""
        Y = np.clip(Y, 0, 1) if clip else Y
        error = np.square(Y - self.X).mean((1, 2), dtype=np.float64)
        return float(-10 * np.log10(error[self.counted]).mean())

    def ssim(self, Y):
        """Return the mean structural similarity."""
        if not (metrics := optional("skimage.metrics", "scikit-image")):
            return np.nan
        pairs = zip(np.clip(Y, 0, 1)[self.counted], self.X[self.counted], strict=True)
        values = [metrics.structural_similarity(y, x, data_range=1.0) for y, x in pairs]
        return float(np.mean(values))


# Noise: the rivals


def median(X, mask, size):
    """Filter by the median of size x size pixels."""
    return median_filter(X, size=(1, size, size))


def nl_means(X, mask, sigma, patch, distance, h):
    """Average similar patches."""
    settings = {"patch_size": patch, "patch_distance": distance, "h": h * sigma}
    denoise = needed("skimage.restoration", "scikit-image").denoise_nl_means
    return np.stack([denoise(x, sigma=sigma, **settings) for x in X])


def wavelet(X, mask, sigma, method, wavelet, shifts):
    """Shrink wavelet coefficients, averaged over shifts of the picture."""
    denoise = needed("skimage.restoration", "scikit-image").denoise_wavelet
    total = np.zeros_like(X)
    for shift in itertools.product(range(shifts), repeat=2):
        moved = np.roll(X, shift, (1, 2))
        clean = [denoise(x, sigma, wavelet, method=method) for x in moved]
        total += np.roll(np.stack(clean), np.negative(shift), (1, 2))
    return total / shifts**2


def project(X, mask, pca, k):
    """Project on the first k principal components."""
    codes = pca.transform(flat(X))[:, :k]
    return (codes @ pca.components_[:k] + pca.mean_).reshape(X.shape)


def regress(X, mask, ridges, alpha):
    """Predict the clean pixels, linearly."""
    return ridges[alpha].predict(flat(X)).reshape(X.shape)


def biharmonic(X, mask):
    """Fill holes in smoothly."""
    inpaint = needed("skimage.restoration", "scikit-image").inpaint_biharmonic
    return np.stack([inpaint(*pair) for pair in zip(X, mask, strict=True)])


def conditional(X, mask, pca, k):
    """Fill holes in by the conditional mean of probabilistic PCA."""
    scale = np.sqrt(np.maximum(pca.explained_variance_[:k, None] - pca.rest[k], 0))
    W, filled = pca.components_[:k] * scale, X.copy()
    for x, lost in zip(flat(filled), flat(mask), strict=True):
        seen = W[:, ~lost]
        A = seen @ seen.T + pca.rest[k] * np.eye(k)
        code = np.linalg.solve(A, seen @ (x - pca.mean_)[~lost])
        x[lost] = (code @ W + pca.mean_)[lost]
    return filled


class Rivals:
    """The rivals on one corruption, with their settings chosen on training pictures."""

    def __init__(self, name, X, quick):
        self.name = name
        self.X_fit, self.X_held = X[:-N_HELD_BACK], X[-N_HELD_BACK:]
        self.noisy_fit, _ = corrupt(name, self.X_fit, 1)
        self.noisy_held, self.mask_held = corrupt(name, self.X_held, 2)
        self.components = (20, 40, 60) if quick else (10, 20, 30, 40, 50, 60, 80, 120)
        self.pca = PCA(max(self.components), random_state=0).fit(flat(self.X_fit))
        variances = self.pca.explained_variance_
        left = variances.sum() + self.pca.noise_variance_ * (784 - len(variances))
        left = left - np.cumsum(variances)
        self.pca.rest = {k: left[k - 1] / (784 - k) for k in self.components}
        self.quick = quick
        self.clips = (False, True) if name == "Gaussian(0.5)" else (False,)

    def candidates(self, clip):
        """Yield (name, {setting: function of pictures and mask}) of each rival."""
        noisy = self._input(self.noisy_fit, clip)
        sigma = float(np.sqrt(np.square(noisy - self.X_fit).mean()))
        grid = partial(_grid, quick=self.quick)
        yield "median filter", grid(median, size=(3, 5))
        if optional("skimage", "scikit-image"):
            yield (
                "non-local means",
                grid(
                    nl_means,
                    sigma=(sigma,),
                    patch=(5, 7),
                    distance=(6, 11),
                    h=(0.3, 0.1, 0.2, 0.4, 0.6),
                ),
            )
        if optional("pywt", "PyWavelets") and optional("skimage", "scikit-image"):
            yield (
                "wavelet shrinkage",
                grid(
                    wavelet,
                    sigma=(sigma,),
                    method=("BayesShrink", "VisuShrink"),
                    wavelet=("sym4", "db1", "db2"),
                    shifts=(1, 4),
                ),
            )
        yield "PCA projection", _grid(project, pca=(self.pca,), k=self.components)
        alphas = (10, 100, 1000)
        clean = flat(self.X_fit)
        ridges = {alpha: Ridge(alpha).fit(flat(noisy), clean) for alpha in alphas}
        yield (
            "ridge regression from noisy to clean pixels",
            _grid(regress, ridges=(ridges,), alpha=alphas),
        )
        if self.name == "hole of 10 x 10":
            if optional("skimage", "scikit-image"):
                yield "biharmonic inpainting (told where)", _grid(biharmonic)
            by_pca = _grid(conditional, pca=(self.pca,), k=self.components)
            yield "probabilistic PCA (told where)", by_pca

    @staticmethod
    def _input(noisy, clip):
        return np.clip(noisy, 0, 1) if clip else noisy

    def judge(self, noisy, mask, sight):
        """Return {rival: {"settings", "psnr", "ssim", "clipped", "unclipped"}}."""
        found = {}
        for clip in self.clips:
            for rival, candidates in self.candidates(clip):
                best, setting = -np.inf, None
                slow = rival in ("non-local means", "wavelet shrinkage")
                held = slice(None, N_SLOW if slow else None)
                lost = None if mask is None else self.mask_held[held]
                judge = Sight(self.X_held[held], lost)
                given = self._input(self.noisy_held[held], clip)
                for text, function in candidates.items():
                    psnr = judge.psnr(function(given, lost))
                    if psnr > best:
                        best, setting, chosen = psnr, text, function
                clean = chosen(self._input(noisy, clip), mask)
                row = found.setdefault(rival, {"held": -np.inf})
                row["clipped" if clip else "unclipped"] = sight.psnr(clean)
                if best > row["held"]:
                    row |= {"held": best, "psnr": sight.psnr(clean)}
                    row |= {"ssim": sight.ssim(clean), "settings": setting, "clip": clip}
        return found

    def pca_seconds(self, k):
        """Return the time that a PCA takes to fit."""
        return seconds(lambda: PCA(k, random_state=0).fit(flat(self.X_fit)))[0]


def _grid(function, quick=False, **settings):
    """Return {text: function of X and mask}, one for each combination of settings."""
    if quick:
        settings = {name: values[:2] for name, values in settings.items()}
    grid = {}
    for values in itertools.product(*settings.values()):
        kwargs = dict(zip(settings, values, strict=True))
        shown = {k: v for k, v in kwargs.items() if isinstance(v, int | float | str)}
        text = ", ".join(
            v if isinstance(v, str) else f"{k} {v:.3g}" for k, v in shown.items()
        )
        grid[text] = partial(function, **kwargs)
    return grid


def judge_rivals(name, quick, n_train, n_test):
    """Return {rival: values} on one corruption, and the seconds of PCA's fit."""
    X_train, _, X_test, _ = mnist(n_train, n_test)
    noisy, mask = corrupt(name, X_test, 0)
    rivals = Rivals(name, X_train, quick)
    found = rivals.judge(noisy, mask, Sight(X_test, mask))
    k = int(found["PCA projection"]["settings"].removeprefix("k "))
    return found, rivals.pca_seconds(k)


# Noise: ours

OURS = {
    "DenoisingAutoencoder(64), dense": {"n_components": 64},
    "DenoisingAutoencoder(64), convolutional": {
        "n_components": 64, "network": ConvolutionalNetwork(), **CONVOLUTIONAL,
    },
    "the same with filters=(32, 64)": {
        "n_components": 64,
        "network": ConvolutionalNetwork(filters=(32, 64)),
        **CONVOLUTIONAL,
    },
    "DenoisingAutoencoder(None), convolutional": {
        "n_components": None, "network": ConvolutionalNetwork(), **CONVOLUTIONAL,
    },
}  # fmt: skip


def judge_ours(name, model, seed, epochs, n_train, n_test):
    """Return what one denoising autoencoder makes of the noisy test pictures."""
    X_train, _, X_test, _ = mnist(n_train, n_test)
    noisy, mask = corrupt(name, X_test, 0)
    sight = Sight(X_test, mask)
    autoencoder = skae.DenoisingAutoencoder(
        **OURS[model],
        max_iter=epochs,
        corruption=CORRUPTIONS[name],
        random_state=seed,
        device="cpu",
    )
    result = {"seconds": seconds(lambda: autoencoder.fit(X_train))[0]}
    clean = autoencoder.denoise(noisy)
    result |= {"psnr": sight.psnr(clean), "ssim": sight.ssim(clean)}
    if name == "Gaussian(0.5)":
        clipped = autoencoder.denoise(np.clip(noisy, 0, 1))
        result |= {"unclipped": result["psnr"], "clipped": sight.psnr(clipped)}
    if mask is not None:
        filled = autoencoder.reconstruct(noisy, mask)
        result |= {"told psnr": sight.psnr(filled), "told ssim": sight.ssim(filled)}
    return result


def described(label, values, floor, start="", setting=None, took=None):
    """Return the gain in dB, and a row of the table of one corruption."""
    psnr, both = np.atleast_1d(values[f"{start}psnr"]), None
    if "clipped" in values:
        both = " / ".join(f"{np.mean(values[k]):.2f}" for k in ("clipped", "unclipped"))
    gain, ssim = psnr.mean() - floor, float(np.mean(values[f"{start}ssim"]))
    who = f"{label}, told" if start else label
    return gain, (who, setting, spread(psnr), f"{gain:+.2f}", ssim, took, both)


def noise(options):
    """Denoise test pictures: all of it by corruption, and the gains side by side."""
    sizes, seeds = options.few((10_000, 1000), (1000, 100)), range(options.n_seeds())
    rivals = options.each(judge_rivals, [(c, options.quick, *sizes) for c in CORRUPTIONS])
    tasks = list(itertools.product(CORRUPTIONS, OURS, seeds))
    epochs = options.few(20, 2)
    results = options.each(judge_ours, [(*task, epochs, *sizes) for task in tasks])
    results = dict(zip(tasks, results, strict=True))
    rows, gains, header = [], {}, ["method"]
    for name, (found, pca_seconds) in zip(CORRUPTIONS, rivals, strict=True):
        _, _, X_test, _ = mnist(1, sizes[1])
        noisy, mask = corrupt(name, X_test, 0)
        sight = Sight(X_test, mask)
        floor, ssim = sight.psnr(noisy), sight.ssim(noisy)
        header.append(f"{name}, {floor:.1f} dB")
        rows.append((name, "noisy input", None, f"{floor:.2f}", None, ssim, None, None))
        for rival, values in found.items():
            gain, row = described(rival, values, floor, setting=values["settings"])
            gains.setdefault(rival, {})[name] = f"{gain:.1f}"
            rows.append((name, *row))
        for model in OURS:
            cells = [results[name, model, seed] for seed in seeds]
            values = {key: [cell[key] for cell in cells] for key in cells[0]}
            took = float(np.median(values["seconds"]) / pca_seconds)
            gain, row = described(model, values, floor, took=took)
            cell, told = f"{gain:.1f}", []
            if mask is not None:
                gain, row_told = described(model, values, floor, "told ", took=took)
                cell, told = f"{gain:.1f} told, {cell} blind", [(name, *row_told)]
            gains.setdefault(model, {})[name] = cell
            rows += [(name, *row), *told]
    names = (
        "corruption", "who", "settings chosen", "PSNR dB", "gain dB", "SSIM", "fit time",
        "input clipped / not",
    )  # fmt: skip
    yield Table("pictures_noise_all", names, rows, len(seeds))
    rows = [(who, *(of.get(name) for name in CORRUPTIONS)) for who, of in gains.items()]
    yield Table("pictures_noise", header, rows, len(seeds))


# Codes as features

FEATURES = {
    "PCA": lambda k, seed, epochs: make_pipeline(_Flat(), PCA(k, random_state=seed)),
    "Autoencoder": lambda k, seed, epochs: skae.Autoencoder(
        k, max_iter=epochs, random_state=seed, device="cpu"
    ),
    "DenoisingAutoencoder": lambda k, seed, epochs: skae.DenoisingAutoencoder(
        k, corruption=Gaussian(0.5), max_iter=epochs, random_state=seed, device="cpu"
    ),
    "ConvolutionalAutoencoder": lambda k, seed, epochs: skae.ConvolutionalAutoencoder(
        k, **CONVOLUTIONAL, max_iter=epochs, random_state=seed, device="cpu"
    ),
}


class _Flat:
    """Pictures to rows, as a step of a pipeline."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return flat(X)

    def fit_transform(self, X, y=None):
        return flat(X)


def classifier():
    """Return the logistic regression that judges codes."""
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))


def judge_codes(k, model, seed, epochs, n_train):
    """Return the accuracy on the clean and on the noisy test pictures."""
    X_train, y_train, X_test, y_test = mnist(n_train)
    noisy = Gaussian(0.5).corrupt(X_test, random_state=0)
    reducer = FEATURES[model](k, seed, epochs).fit(X_train)
    judge = classifier().fit(reducer.transform(X_train), y_train)
    return [judge.score(reducer.transform(X), y_test) for X in (X_test, noisy)]


def codes(options):
    """Classify from codes."""
    components, seeds = options.few((8, 16, 32), (8,)), range(options.n_seeds())
    tasks = list(itertools.product(components, FEATURES, seeds))
    sizes = options.few((20, 10_000), (2, 1000))
    results = options.each(judge_codes, [(*task, *sizes) for task in tasks])
    cells = dict(zip(tasks, results, strict=True))
    rows = []
    for model in FEATURES:
        values = [100 * np.array([cells[k, model, s] for s in seeds]).T for k in components]
        rows.append((model, *(" / ".join(spread(v, 1) for v in pair) for pair in values)))
    header = "clean / noisy", *(f"{k} components" for k in components)
    yield Table("pictures_codes", header, rows, len(seeds))


# Convolutions

NETWORKS = {  # pairs of about as many parameters stand together
    "convolutional (4, 8)": ConvolutionalNetwork(filters=(4, 8)),
    "dense (16,)": DenseNetwork((16,)),
    "convolutional (8, 16)": ConvolutionalNetwork(filters=(8, 16)),
    "dense (33,)": DenseNetwork((33,)),
    "convolutional (16, 32)": ConvolutionalNetwork(),
    "dense (67,)": DenseNetwork((67,)),
    "dense (37,) and a linear path": DenseNetwork((37,), linear_path=True),
    "dense (64, 48)": DenseNetwork((64, 48)),
    "dense (128,)": DenseNetwork((128,)),
    "dense (256,)": DenseNetwork((256,)),
    "dense (256, 128)": DenseNetwork((256, 128)),
    "dense (512,)": DenseNetwork((512,)),
}


def convolution(options):
    """Compare networks of about as many parameters."""
    X, _, X_test, _ = mnist(*options.few((None, None), (1000, 500)))
    epochs, seeds = options.few(20, 2), options.n_seeds()
    names = options.few(NETWORKS, list(NETWORKS)[:4])

    def error(back):
        return float(np.mean((back - X_test) ** 2) / X.var())

    pca = PCA(32, random_state=0).fit(flat(X))
    back = pca.inverse_transform(pca.transform(flat(X_test))).reshape(X_test.shape)
    rows = [("PCA", 784 * 32 + 784, error(back), None)]
    rows.append(("the mean grey", 1, error(X.mean()), None))
    for name in names:
        errors = []
        for seed in range(seeds):
            model = skae.Autoencoder(
                32,
                network=NETWORKS[name],
                max_iter=epochs,
                random_state=seed,
                **CONVOLUTIONAL,
            ).fit(X)
            errors.append(error(model.reconstruct(X_test)))
        size = sum(p.numel() for p in model.net_.module_.parameters())
        rows.append((name, size, float(np.mean(errors)), float(np.ptp(errors) / 2)))
    header = "network", "parameters", "test error / variance", "±"
    yield Table("pictures_convolution", header, rows, seeds)


def by_hand():
    """Return `ConvolutionalNetwork()` for 28 x 28 pixels, in torch's layers."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1),
        nn.SiLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.SiLU(),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, 32),
        nn.Linear(32, 32 * 7 * 7),
        nn.SiLU(),
        nn.Unflatten(1, (32, 7, 7)),
        nn.ConvTranspose2d(32, 16, 3, stride=2, padding=1, output_padding=1),
        nn.SiLU(),
        nn.ConvTranspose2d(16, 1, 3, stride=2, padding=1, output_padding=1),
    )


def loop(X, epochs, clip=None, channels_last=False):
    """Train it by hand."""
    x = torch.from_numpy((X - X.mean()) / X.std())[:, None]
    net = by_hand()
    if channels_last:
        net = net.to(memory_format=torch.channels_last)
        x = x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    return train(x, net, epochs, clip)


def fit_time(options):
    """Time `fit` against loops."""
    n, epochs, repeats = options.few((5000, 10, 5), (500, 2, 3))
    X, *_ = mnist(n)
    ours = skae.ConvolutionalAutoencoder(
        32, max_iter=epochs, n_iter_no_change=epochs, random_state=0, **CONVOLUTIONAL
    )
    rivals = {
        "loop": lambda: loop(X, epochs),
        "loop, channels last": lambda: loop(X, epochs, channels_last=True),
        "loop, channels last, clipped": lambda: loop(X, epochs, 1.0, channels_last=True),
        "skae": lambda: ours.fit(X),
    }
    times = interleaved(rivals, repeats)
    bases = [times["loop"], times["loop, channels last"]]
    rows = [
        (name, float(np.median(t)), *(float(np.median(t / base)) for base in bases))
        for name, t in times.items()
    ]
    header = "rival", "median s", "ratio to loop", "ratio to channels last"
    yield Table("pictures_fit_time", header, rows, note=f"{repeats} turns")


# Compression

STEPS = {
    "MNIST": (1024, 724, 512, 362, 256, 128, 64),
    "Olivetti": (1024, 512, 256, 128, 64, 32, 16),
}
RATES = {
    "MNIST": (0.05, 0.1, 0.25, 0.5, 1.0),
    "Olivetti": (0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0),
}


def grey(name, quick):
    """Return the training and the test pictures, uint8."""
    if name == "MNIST":
        data = load("mnist")
        train, test = data["X_train"], data["X_test"][:1000]
        return (train[:2000], test[:100]) if quick else (train, test)
    data = load("olivetti")
    new = data["y"] >= 30
    return data["X"][~new], data["X"][new][:: 4 if quick else 1]


def autoencoders(name, quick):
    """Return {(method, k): function of a seed that returns an unfitted estimator}."""
    mnist = name == "MNIST"
    dense_epochs, conv_epochs = (30, 12) if mnist else (100, 60)
    if quick:
        dense_epochs, conv_epochs = 5, 2

    def dense(k):
        return lambda seed: skae.Autoencoder(
            k, max_iter=dense_epochs, random_state=seed, device="cpu"
        )

    def conv(k, filters=(16, 32), epochs=conv_epochs):
        network = skae.networks.ConvolutionalNetwork(filters=filters)
        return lambda seed: skae.ConvolutionalAutoencoder(
            k,
            network=network,
            batch_size=128 if mnist else "auto",
            max_iter=epochs,
            random_state=seed,
            device="cpu",
        )

    result = {("dense", k): dense(k) for k in ((16,) if quick else (16, 32, 64))}
    result |= {("conv", k): conv(k) for k in ((16,) if quick else (16, 64))}
    filters, k = ((16, 4), 196) if mnist else ((32, 32, 8), 512)
    result["map", k] = conv(None, filters, 2 * conv_epochs if mnist else conv_epochs)
    return result


def figure(curves):
    """Draw {data: {(method, k): (bpp, PSNR, SSIM)}}."""
    if not (plt := pyplot()):
        return
    colours = {
        "JPEG": "tab:red", "WebP": "tab:orange", "PCA": "0.3", "dense": "tab:blue",
        "conv": "tab:green", "map": "tab:purple",
    }  # fmt: skip
    lines = ["-", "--", ":"]
    plt.rcParams.update({"font.size": 8, "axes.grid": True, "grid.alpha": 0.3})
    fig, axes = plt.subplots(2, 2, figsize=(9, 6.4), layout="constrained")
    for row, (name, methods) in zip(axes, curves.items(), strict=True):
        for axis, measure in zip(row, (1, 2), strict=True):
            seen = {}
            for (method, k), values in methods.items():
                kind = method.split()[0]
                seen[kind] = seen.get(kind, -1) + 1
                axis.plot(
                    values[0],
                    values[measure],
                    lines[seen[kind]],
                    color=colours[kind],
                    marker=".",
                    markersize=4,
                    linewidth=1.2,
                    label=f"{method} {k}".strip(),
                )
            axis.set_xscale("log")
            axis.set_xlabel("bits per pixel, each picture by itself")
            axis.set_ylabel(("PSNR in dB", "SSIM")[measure - 1])
            axis.set_title(name)
        row[1].legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    fig.savefig(FIGURES / "compression.png", dpi=100, pil_kwargs={"optimize": True})


def compression(options):
    """Compress digits and faces."""
    for package in ("constriction", "PIL", "skimage"):
        needed(package)
    drawn = {name: {} for name in STEPS}
    for name, curves in drawn.items():
        yield from compressed(name, curves, options)
    if not options.quick:
        figure(drawn)


def compressed(name, drawn, options):
    """Yield the tables of a data set; keep curves, means over seeds, in `drawn`."""
    train, test = grey(name, options.quick)
    floats, steps = train.astype(np.float32), STEPS[name]
    steps = options.few(steps, steps[1::3])
    curves, about, seeds = {}, {}, options.n_seeds()
    for kind in ("JPEG", "WebP"):
        result = files(test, kind)
        for title, column in (("file", 0), ("net", 1)):
            curves[f"{kind} {title}", ""] = result[None][:, :, [column, 2, 3]]
    for k in options.few((16, 64, 256), (16, 64)):
        pca = Flat(k).fit(floats)
        curves["PCA", k] = curve(pca, floats, test, steps)[None][:, :, [0, 2, 3]]
        about["PCA", k] = kilobytes(pca), None
    for (method, k), make in autoencoders(name, options.quick).items():
        times, runs = [], []
        for seed in range(seeds):
            took, estimator = seconds(lambda make=make, seed=seed: make(seed).fit(floats))
            times.append(took)
            assert estimator.n_components_ == k
            runs.append(curve(estimator, floats, test, steps)[:, [0, 2, 3]])
        curves[method, k] = np.array(runs)
        about[method, k] = kilobytes(estimator), float(np.median(times))
    rates = np.array(RATES[name])
    for column, measure, digits in ((1, "PSNR", 1), (2, "SSIM", 3)):
        rows = []
        for (method, k), runs in curves.items():
            at = np.array([at_rates(run[:, 0], run[:, column], rates) for run in runs])
            cells = [spread(v, digits) if np.isfinite(v).all() else "-" for v in at.T]
            size, took = about.get((method, k), (None, None))
            size = size and f"{size:,.0f} kB"
            rows.append((f"{method} {k}".strip(), *cells, size, took))
        header = "method", *(f"{r:g} bits per pixel" for r in rates), "decoder", "fit s"
        data = {"MNIST": "", "Olivetti": "_olivetti"}[name] + "_ssim" * (measure == "SSIM")
        title = f"{measure}, {name}"
        yield Table(f"pictures_compression{data}", header, rows, seeds, title)
    drawn |= {key: runs.mean(0).T for key, runs in curves.items()}


PARTS = {
    "noise": noise,
    "codes": codes,
    "convolution": convolution,
    "fit_time": fit_time,
    "compression": compression,
}
