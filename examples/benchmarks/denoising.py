"""What denoising autoencoders are good for: cleaner pictures, and sturdier codes.

Pictures are MNIST's (see `_data.py`), in [0, 1]: 10,000 to train on, 5,000 to test on.
Nobody sees a test picture before it is judged. Autoencoders get the pictures as they
are, (n, 28, 28), and --epochs; convolutional ones are trained in batches of 128. Values
are means over seeds, "+-" the standard deviation over them.

Part A: 1,000 test pictures, corrupted once: normal noise of 0.5 (not clipped), a quarter
of the pixels black or white, or a hole of 10 x 10 black pixels. PSNR is the mean over
pictures of 10 log10(1 / mean squared error), everybody's output clipped to [0, 1], and
the noisy input too; SSIM is scikit-image's. Holes that hide less than a tenth of a
picture's ink (its sum of squares) are not counted: there is nothing to repair.

- Rivals: scipy's median filter; scikit-image's non-local means and wavelet shrinkage (by
  itself or averaged over 16 shifts), which are told the noise's root mean square;
  projection on principal components of clean pictures; ridge regression from corrupted
  to clean pictures. Their settings are those that do best on 200 corrupted training
  pictures, held back from PCA and ridge. With normal noise they are also given clipped
  input, with settings of their own, and the row has the better of the two, as judged by
  the training pictures; "input clipped / not" has both.
- "Told": who may know where the hole is, and keeps the rest of the picture: biharmonic
  inpainting, the conditional mean of probabilistic PCA given the visible pixels, and
  ours by `reconstruct(X, mask)`. The others are blind, ours by `denoise(X)`.
- Ours have the networks of their defaults; "wide" is `filters=(32, 64)`, one of three
  larger networks that filled the holes of 1,000 training pictures equally well.
- "fit time" is in units of PCA's fit with the number of components chosen.

Part B: accuracy on all test pictures of a logistic regression on standardised codes of
the clean training pictures; "noisy" are the test pictures with normal noise of 0.5,
which is also what the denoising autoencoder is trained with.

Part C: `pretrain_max_iter` in a denoising autoencoder 784-512-256-32 (5,000 training
pictures, a quarter of the pixels blanked), against none: PSNR of denoised test pictures,
and the accuracy of the logistic regression with 200 labels (mean of 10 draws). An epoch
of one layer counts as an epoch, though it takes less time than one of the whole.
"""

import itertools
import time
from functools import partial

import numpy as np
from _common import machine, parser, quiet, table, use_threads
from _data import load
from joblib import Parallel, delayed
from scipy.ndimage import median_filter
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skae
from skae.corruption import Gaussian, Masking, RegionMasking, SaltAndPepper
from skae.networks import ConvolutionalNetwork

try:
    from skimage.metrics import structural_similarity
    from skimage.restoration import denoise_nl_means, denoise_wavelet, inpaint_biharmonic
except ImportError as error:
    raise SystemExit(
        f"This benchmark needs scikit-image and PyWavelets ({error}). Install them with "
        'pip install "skae[bench]".'
    ) from error

CORRUPTIONS = {
    "normal noise": Gaussian(0.5),
    "salt and pepper": SaltAndPepper(0.25),
    "hole": RegionMasking(10, fill=0.0),
}
N_HELD_BACK, N_SLOW = 200, 100  # training pictures for settings; for the slow ones
LEAST_INK = 0.1  # share of a picture that a hole must hide to count
WANTED = 6.0  # dB above the noisy input
CONVOLUTIONAL = {"batch_size": 128}


def pictures(n_train=None, n_test=None):
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
    if name != "hole":
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
        pairs = zip(np.clip(Y, 0, 1)[self.counted], self.X[self.counted], strict=True)
        values = [structural_similarity(y, x, data_range=1.0) for y, x in pairs]
        return float(np.mean(values))


# Part A: the rivals


def median(X, mask, size):
    """Filter by the median of size x size pixels."""
    return median_filter(X, size=(1, size, size))


def nl_means(X, mask, sigma, patch, distance, h):
    """Average similar patches."""
    settings = {"patch_size": patch, "patch_distance": distance, "h": h * sigma}
    return np.stack([denoise_nl_means(x, sigma=sigma, **settings) for x in X])


def wavelet(X, mask, sigma, method, wavelet, shifts):
    """Shrink wavelet coefficients, averaged over shifts of the picture."""
    total = np.zeros_like(X)
    for shift in itertools.product(range(shifts), repeat=2):
        moved = np.roll(X, shift, (1, 2))
        clean = [denoise_wavelet(x, sigma, wavelet, method=method) for x in moved]
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
    return np.stack([inpaint_biharmonic(*pair) for pair in zip(X, mask, strict=True)])


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
        self.clips = (False, True) if name == "normal noise" else (False,)

    def candidates(self, clip):
        """Yield (name, {setting: function of pictures and mask}) of each rival."""
        noisy = self._input(self.noisy_fit, clip)
        sigma = float(np.sqrt(np.square(noisy - self.X_fit).mean()))
        grid = partial(_grid, quick=self.quick)
        yield "median filter", grid(median, size=(3, 5))
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
        yield (
            "wavelets",
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
        yield "ridge regression", _grid(regress, ridges=(ridges,), alpha=alphas)
        if self.name == "hole":
            yield "biharmonic, told", _grid(biharmonic)
            by_pca = _grid(conditional, pca=(self.pca,), k=self.components)
            yield "probabilistic PCA, told", by_pca

    @staticmethod
    def _input(noisy, clip):
        return np.clip(noisy, 0, 1) if clip else noisy

    def judge(self, noisy, mask, sight):
        """Return {rival: {"settings", "psnr", "ssim", "clipped", "unclipped"}}."""
        found = {}
        for clip in self.clips:
            for rival, candidates in self.candidates(clip):
                best, setting = -np.inf, None
                slow = rival in ("non-local means", "wavelets")
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
        start = time.perf_counter()
        PCA(k, random_state=0).fit(flat(self.X_fit))
        return time.perf_counter() - start


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


def judge_rivals(name, quick, n_train, n_test, threads):
    """Return the rivals' rows on one corruption, and the seconds of PCA's fit."""
    X_train, _, X_test, _ = pictures(n_train, n_test)
    noisy, mask = corrupt(name, X_test, 0)
    with use_threads(threads), quiet():
        rivals = Rivals(name, X_train, quick)
        found = rivals.judge(noisy, mask, Sight(X_test, mask))
        k = int(found["PCA projection"]["settings"].removeprefix("k "))
        return found, rivals.pca_seconds(k)


# Part A: ours

OURS = {
    "dense, 64": {"n_components": 64},
    "convolutional, 64": {
        "n_components": 64, "network": ConvolutionalNetwork(), **CONVOLUTIONAL,
    },
    "wide convolutional, 64": {
        "n_components": 64,
        "network": ConvolutionalNetwork(filters=(32, 64)),
        **CONVOLUTIONAL,
    },
    "convolutional, None": {
        "n_components": None, "network": ConvolutionalNetwork(), **CONVOLUTIONAL,
    },
}  # fmt: skip


def judge_ours(name, model, seed, epochs, n_train, n_test, threads):
    """Return what one denoising autoencoder makes of the noisy test pictures."""
    X_train, _, X_test, _ = pictures(n_train, n_test)
    noisy, mask = corrupt(name, X_test, 0)
    sight, params = Sight(X_test, mask), OURS[model]
    with use_threads(threads), quiet():
        autoencoder = skae.DenoisingAutoencoder(
            **params,
            max_iter=epochs,
            corruption=CORRUPTIONS[name],
            random_state=seed,
            device="cpu",
        )
        start = time.perf_counter()
        autoencoder.fit(X_train)
        result = {"seconds": time.perf_counter() - start}
        clean = autoencoder.denoise(noisy)
        result |= {"psnr": sight.psnr(clean), "ssim": sight.ssim(clean)}
        if name == "normal noise":
            clipped = autoencoder.denoise(np.clip(noisy, 0, 1))
            result |= {"unclipped": result["psnr"], "clipped": sight.psnr(clipped)}
        if mask is not None:
            filled = autoencoder.reconstruct(noisy, mask)
            result |= {"told psnr": sight.psnr(filled), "told ssim": sight.ssim(filled)}
    return result


def spread(values, digits=2, factor=1.0):
    """Return the mean +- the standard deviation over seeds, as text."""
    values = factor * np.asarray(values, dtype=float)
    text = f"{values.mean():.{digits}f}"
    return f"{text} +- {values.std(ddof=1):.{digits}f}" if len(values) > 1 else text


def part_a(args, n_train, n_test, seeds):
    """Denoise test pictures; print a table for each corruption."""
    with Parallel(args.jobs) as run:
        sizes = n_train, n_test, args.threads
        rivals = run(delayed(judge_rivals)(c, args.quick, *sizes) for c in CORRUPTIONS)
        rivals = dict(zip(CORRUPTIONS, rivals, strict=True))
        tasks = list(itertools.product(CORRUPTIONS, OURS, seeds))
        results = run(delayed(judge_ours)(*task, args.epochs, *sizes) for task in tasks)
    ours = dict(zip(tasks, results, strict=True))
    for name in CORRUPTIONS:
        _print_corruption(name, *rivals[name], ours, n_test, seeds)


def _print_corruption(name, rivals, pca_seconds, ours, n_test, seeds):
    _, _, X_test, _ = pictures(1, n_test)
    noisy, mask = corrupt(name, X_test, 0)
    sight = Sight(X_test, mask)
    floor = sight.psnr(noisy)
    print(f"Part A, {name}: {CORRUPTIONS[name]}, {sight.counted.sum():,} test pictures\n")
    rows = [("noisy input", "", f"{floor:.2f}", "", f"{sight.ssim(noisy):.3f}", "", "")]
    unclipped = sight.psnr(noisy, clip=False)
    if unclipped < floor - 0.01:
        rows.append(("the same, output not clipped", "", f"{unclipped:.2f}", *[""] * 4))

    def gain(psnr):
        return f"{np.mean(psnr) - floor:+.2f}"

    for rival, row in rivals.items():
        both = ""
        if "clipped" in row:
            both = f"{row['clipped']:.2f} / {row['unclipped']:.2f}"
        took = "1" if rival == "PCA projection" else ""
        score = f"{row['psnr']:.2f}", gain(row["psnr"]), f"{row['ssim']:.3f}"
        rows.append((rival, row["settings"], *score, took, both))
    best, told = {}, {}
    for model in OURS:
        cells = [ours[name, model, seed] for seed in seeds]
        values = {key: np.array([cell[key] for cell in cells]) for key in cells[0]}
        both = ""
        if "clipped" in values:
            both = f"{values['clipped'].mean():.2f} / {values['unclipped'].mean():.2f}"
        took = f"{np.median(values['seconds']) / pca_seconds:.0f}"
        for start, found in (("", best), ("told ", told)):
            if start + "psnr" not in values:
                continue
            psnr, ssim = values[start + "psnr"], values[start + "ssim"]
            found[model] = psnr
            label = f"ours, {model}" + (", told" if start else "")
            score = spread(psnr), gain(psnr), f"{ssim.mean():.3f}"
            rows.append((label, "", *score, took, both))
    header = (
        "who", "settings chosen", "PSNR dB", "gain dB", "SSIM",
        "fit time", "input clipped / not",
    )  # fmt: skip
    if name != "normal noise":  # nothing to clip
        header, rows = header[:-1], [row[:-1] for row in rows]
    table(header, rows)
    told_rivals = {k: v for k, v in rivals.items() if k.endswith("told")}
    blind_rivals = {k: v for k, v in rivals.items() if k not in told_rivals}
    for kind, found, others in (
        ("Blind", best, blind_rivals),
        ("Told", told, told_rivals),
    ):
        for model, psnr in found.items():
            rival = max(others, key=lambda key: others[key]["psnr"])
            ahead = psnr - others[rival]["psnr"]
            print(
                f"{kind}: {model} gains {psnr.min() - floor:.2f} dB in its worst seed "
                f"({'at least' if psnr.min() - floor >= WANTED else 'LESS than'} "
                f"{WANTED:g}), and is {ahead.min():+.2f} dB from the best rival "
                f"({rival}){'' if ahead.min() > 0 else ': NOT above it'}."
            )
    print(flush=True)


# Part B: the code as a feature

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


def judge_codes(k, model, seed, epochs, n_train, threads):
    """Return the accuracy on the clean and on the noisy test pictures."""
    X_train, y_train, X_test, y_test = pictures(n_train)
    noisy = Gaussian(0.5).corrupt(X_test, random_state=0)
    with use_threads(threads), quiet():
        reducer = FEATURES[model](k, seed, epochs).fit(X_train)
        judge = classifier().fit(reducer.transform(X_train), y_train)
        return [judge.score(reducer.transform(X), y_test) for X in (X_test, noisy)]


def part_b(args, n_train, components, seeds):
    """Classify from codes; print accuracies and differences."""
    tasks = list(itertools.product(components, FEATURES, seeds))
    results = Parallel(args.jobs)(
        delayed(judge_codes)(*task, args.epochs, n_train, args.threads) for task in tasks
    )
    cells = {task: 100 * np.array(cell) for task, cell in zip(tasks, results, strict=True)}
    rows, differences, failures = [], [], []

    def column(k, model, which):
        return np.array([cells[k, model, seed][which] for seed in seeds])

    for k in components:
        for model in FEATURES:
            texts = [spread(column(k, model, which)) for which in (0, 1)]
            rows.append((k, model, *texts))
        for a, b, which, what in (
            ("Autoencoder", "PCA", 0, "clean"),
            ("ConvolutionalAutoencoder", "PCA", 0, "clean"),
            ("DenoisingAutoencoder", "Autoencoder", 1, "noisy"),
        ):
            ahead = column(k, a, which) - column(k, b, which)
            differences.append(
                (k, f"{a} - {b}", what, *[f"{value:+.2f}" for value in ahead])
            )
            if not (ahead > 0).all():
                failures.append(f"{a} - {b}, {what}, k = {k}")
    print("Part B: accuracy on test pictures, per cent\n")
    table(("k", "codes of", "clean", "noisy"), rows)
    print("Part B: differences by seed, points\n")
    table(("k", "difference", "pictures", *[f"seed {seed}" for seed in seeds]), differences)
    missed = "; ".join(failures) or "none"
    print(f"Not above zero in each seed: {missed}.\n", flush=True)


# Part C: pre-training layer by layer


def judge_pretraining(pretrain, epochs, seed, n_train, n_test, threads):
    """Return PSNR, accuracy with 200 labels, and the seconds of `fit`."""
    X_train, y_train, X_test, y_test = pictures(n_train)
    masking = Masking(0.25, fill=0.0)
    noisy = masking.corrupt(X_test[:n_test], random_state=0)
    with use_threads(threads), quiet():
        start = time.perf_counter()
        autoencoder = skae.DenoisingAutoencoder(
            32,
            network=(512, 256),
            corruption=masking,
            pretrain_max_iter=pretrain,
            max_iter=epochs,
            random_state=seed,
            device="cpu",
        ).fit(X_train)
        seconds = time.perf_counter() - start
        psnr = Sight(X_test[:n_test]).psnr(autoencoder.denoise(noisy))
        codes, held_out = autoencoder.transform(X_train), autoencoder.transform(X_test)
        scores = []
        for draw in range(10):
            some, _, labels, _ = train_test_split(
                codes, y_train, train_size=200, stratify=y_train, random_state=draw
            )
            scores.append(classifier().fit(some, labels).score(held_out, y_test))
    return psnr, 100 * float(np.mean(scores)), seconds


def part_c(args, n_train, n_test, seeds):
    """Train with and without pre-training; print both and the differences."""
    layer = max(1, args.epochs // 5)  # three layers
    rest = max(1, args.epochs - 3 * layer)
    plans = {
        f"3 x {layer} epochs, then {rest}": (layer, rest),
        f"none, {3 * layer + rest} epochs": (0, 3 * layer + rest),
        f"none, {rest} epochs": (0, rest),
    }
    tasks = list(itertools.product(plans, seeds))
    results = Parallel(args.jobs)(
        delayed(judge_pretraining)(*plans[p], s, n_train, n_test, args.threads)
        for p, s in tasks
    )
    cells = dict(zip(tasks, results, strict=True))
    values = {p: np.array([cells[p, s] for s in seeds]).T for p in plans}
    print("Part C: pre-training layer by layer\n")
    rows = [
        (p, spread(psnr), spread(accuracy), float(np.median(seconds)))
        for p, (psnr, accuracy, seconds) in values.items()
    ]
    table(("pre-training", "PSNR dB", "accuracy, 200 labels", "fit s"), rows)
    first, *others = plans
    for other in others:
        for what, unit, a, b in zip(
            ("PSNR", "accuracy"), ("dB", "points"), values[first], values[other],
            strict=False,
        ):  # fmt: skip
            ahead = a - b
            verdict = "no clear difference"
            if (ahead > 0).all() or (ahead < 0).all():
                verdict = "pre-training helps" if ahead[0] > 0 else "pre-training hurts"
            by_seed = ", ".join(f"{value:+.2f}" for value in ahead)
            print(f"Against {other}, {what}: {by_seed} {unit} by seed: {verdict}.")
    print(flush=True)


def main():
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--parts", default="ABC", help="which of A, B and C")
    options.add_argument("--epochs", type=int, default=None, help="of dense networks")
    options.add_argument("--seeds", type=int, default=None)
    options.add_argument("--jobs", type=int, default=1)
    args = options.parse_args()
    args.epochs = args.epochs or (4 if args.quick else 20)
    seeds = range(args.seeds or (2 if args.quick else 3))
    start = time.perf_counter()
    machine(args.threads)
    if "A" in args.parts:
        sizes = (2000, 200) if args.quick else (10_000, 1000)
        part_a(args, *sizes, seeds)
    if "B" in args.parts:
        components = (8,) if args.quick else (8, 16, 32)
        part_b(args, 2000 if args.quick else 10_000, components, seeds)
    if "C" in args.parts:
        part_c(args, 1000 if args.quick else 5000, 200 if args.quick else 1000, seeds)
    seconds = time.perf_counter() - start
    print(f"{seconds / 60:.1f} minutes, with --jobs {args.jobs}.")


if __name__ == "__main__":
    main()
