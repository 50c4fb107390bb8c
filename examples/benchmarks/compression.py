"""Image compression: real bytes from an autoencoder's codes, against JPEG, WebP and PCA.

Pictures are grey, in whole numbers from 0 to 255. MNIST (28 x 28): 10,000 to train on,
1,000 to test on (the first of X_test). Olivetti faces (64 x 64): the 300 pictures of the
people 0 to 29 to train on, the 100 of the people 30 to 39 to test on, so that test faces
are new people. `_data.py` says where the files lie; olivetti.npz has X, (400, 64, 64)
uint8, and y, the person. All that a decoder has to know (weights, components, steps,
tables) comes from training pictures. A setting is a number k of code dimensions and a
step; the first tables are the whole curves, none left out. But test pictures were not
unseen when this was written: of two shapes of `map` for each data set, and with and
without `linear_path` for `conv`, one was kept with the test error of a trial in view.

How codes become bytes, alike for PCA and autoencoders:

- What an error in the code does to the picture is measured by finite differences of the
  decoder around training codes: G, the mean of J'J, J being the Jacobian. The code is
  turned so that G becomes the identity and the training codes uncorrelated: an error of
  one then costs about a squared error of one, in any dimension. For PCA this changes
  nothing but signs. Where there are fewer than four training pictures to a dimension,
  the code is only scaled, dimension by dimension, by the roots of G's diagonal.
- Each dimension is rounded to multiples of the step, in grey levels, the same for all
  dimensions: reverse water-filling. Where the step is coarse for a dimension, its rounded
  values hardly vary and cost next to nothing. A rounded value is decoded to the mean of
  the training codes that are rounded to it, shrunk a bit to its middle.
- The integers go through the range coder of the library `constriction`, with a table of
  probabilities for each dimension: a kernel estimate from 2,000 training codes (all if
  fewer), with 2 % of a wide Laplace distribution for the unforeseen. Integers outside
  of the table (4 deviations beyond the training codes) are clipped.
- Each picture becomes a byte string of its own, the shortest that decodes to its integers
  and begins as the range coder's output does. Pictures are decoded from these bytes
  alone, by tables alone, and the integers are asserted to be those encoded. Tables,
  weights and the picture's size belong to the decoder and cost nothing: what that hides
  is given as "decoder", its numbers in kilobytes of float32. "One stream" is all test
  pictures behind one another through one range coder.

"bpp" is 8 times the bytes of all test pictures by their pixels. Pictures are rounded to
whole numbers and clipped to 0 to 255 before they are judged. PSNR and SSIM are means over
pictures of scikit-image's functions with data_range=255; SSIM in windows of 7 x 7 pixels
(the default), also on 28 x 28 pixels.

JPEG and WebP are Pillow's, grey, JPEG with optimize=True, WebP with method=6 (it knows no
grey: its colours are constant). "File" is the whole file: a header, and tables, weigh
more than such a small picture. "Net" is what could be left if encoder and decoder agreed
on them: for WebP, the file less the file of a flat picture (128) of the same size and
quality; for JPEG, this or the entropy-coded data alone (from the end of the header SOS
to the mark EOI, with standard tables, optimize=False), whichever is less in the mean of
the test pictures. JPEG and WebP know nothing of digits and faces, and do not have to.

Autoencoders get the pictures as they are, (n, H, W), and are trained at defaults but for
the number of epochs, and batches of 128 for convolutions on MNIST: `dense` is
`Autoencoder(k)`, `conv` is `ConvolutionalAutoencoder(k)`, which ends in a dense layer,
and `map` is `ConvolutionalAutoencoder(None)` whose code is the last of its maps, of
4 x 7 x 7 (MNIST) or 8 x 8 x 8 numbers (Olivetti). Their values are means over seeds, and
the spread is half the range over seeds.

The compact tables interpolate each curve (linear in the logarithm of bpp) at fixed rates;
"-" is outside of what was measured. A curve may be followed to its right end for more
bits, without gain: where an autoencoder's curve ends, its bottleneck is exhausted.

What to expect: with 10,000 pictures of one kind to learn from (MNIST), autoencoders with
a k that suits the rate, above all convolutional ones, beat PCA between 0.05 and 0.3 bpp,
rates that JPEG and WebP do not reach even without headers; beyond, the bottleneck is
exhausted, and PCA with more components and WebP go on. With 300 faces and new people,
they mostly lose: dense and `conv` codes are no better than PCA's, or worse. `map` beats
PCA from about 0.25 bpp on, and whole JPEG and (below 0.45 bpp) WebP files; less their
headers, these beat it.

Needs `pip install "skae[bench]"` (constriction, matplotlib, Pillow, scikit-image).
"""

import io
import time
from pathlib import Path

import numpy as np
from _common import machine, parser, quiet, table, use_threads
from _data import load
from scipy.special import ndtr
from sklearn.decomposition import PCA

import skae

try:
    import constriction
    import matplotlib
    from PIL import Image
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity
except ImportError as error:
    raise SystemExit(
        f"{error}. This benchmark needs more packages: pip install 'skae[bench]'"
    ) from error

FIGURE = Path(__file__).resolve().parents[2] / "docs" / "_static" / "compression.png"
STEPS = {
    "MNIST": (1024, 724, 512, 362, 256, 128, 64),
    "Olivetti": (1024, 512, 256, 128, 64, 32, 16),
}
RATES = {
    "MNIST": (0.05, 0.1, 0.25, 0.5, 1.0),
    "Olivetti": (0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0),
}
QUALITIES = (1, 3, 5, 10, 20, 40, 60, 80)


# Pictures


def pictures(name, quick):
    """Return the training and the test pictures, uint8."""
    if name == "MNIST":
        data = load("mnist")
        train, test = data["X_train"], data["X_test"][:1000]
        return (train[:2000], test[:100]) if quick else (train, test)
    data = load("olivetti")
    new = data["y"] >= 30
    return data["X"][~new], data["X"][new][:: 4 if quick else 1]


def judge(pictures, decoded):
    """Return mean PSNR and mean SSIM."""
    pairs = list(zip(pictures, decoded, strict=True))
    psnr = [peak_signal_noise_ratio(x, r, data_range=255) for x, r in pairs]
    ssim = [structural_similarity(x, r, data_range=255, win_size=7) for x, r in pairs]
    return float(np.mean(psnr)), float(np.mean(ssim))


# Codes to bytes and back


class Coder:
    """Bytes from the codes of one fitted transformer; see the module's docstring.

    `X` are training pictures.
    """

    def __init__(self, transformer, X):
        self.transformer, self.shape = transformer, X.shape[1:]
        Z = self._transform(X)
        turn = len(Z) >= 4 * Z.shape[1]
        n_pictures = 100 if turn else 10  # G's diagonal needs fewer than all of it
        self.mean = Z.mean(0)
        gram = self._gram(Z[np.linspace(0, len(Z) - 1, n_pictures).astype(int)])
        if turn:
            value, vector = np.linalg.eigh(gram)
            root = np.sqrt(np.maximum(value, 1e-9 * value[-1]))
            half, inverse = (vector * root) @ vector.T, (vector / root) @ vector.T
            _, axes = np.linalg.eigh(np.cov(half @ (Z - self.mean).T))
            self.forward, self.backward = half @ axes, axes.T @ inverse
        else:
            root = np.sqrt(np.maximum(np.diag(gram), 1e-9 * np.diag(gram).max()))
            self.forward, self.backward = np.diag(root), np.diag(1 / root)
        self.codes = (Z - self.mean) @ self.forward  # of the training pictures

    def _transform(self, X):
        return np.asarray(self.transformer.transform(X), dtype=np.float64)

    def _gram(self, Z):
        k, eps = Z.shape[1], 0.1 * Z.std(0) + 1e-9
        gram = np.zeros((k, k))
        for z in Z:
            both = np.vstack([z + np.diag(eps), z - np.diag(eps)])
            out = self.transformer.inverse_transform(both).reshape(2, k, -1)
            jacobian = (out[0] - out[1]) / (2 * eps[:, None])
            gram += jacobian @ jacobian.T / len(Z)
        return gram

    def at(self, step):
        """Make the tables for a step."""
        self.step = step
        codes, k = self.codes, self.codes.shape[1]
        spread = codes.std(0)
        index = np.rint(codes / step).astype(int)
        margin = np.ceil(4 * spread / step).astype(int) + 1
        self.low, self.high = index.min(0) - margin, index.max(0) + margin
        n = int((self.high - self.low).max()) + 1
        self.table, self.values = np.zeros((k, n), np.float32), np.zeros((k, n))
        some = codes[np.linspace(0, len(codes) - 1, min(2000, len(codes))).astype(int)]
        for j in range(k):
            middle = np.arange(self.low[j], self.high[j] + 1) * step
            size = len(middle)
            edges = np.append(middle - step / 2, middle[-1] + step / 2)[:, None]
            width = 0.9 * spread[j] * len(some) ** -0.2 + 1e-9
            near = np.diff(ndtr((edges - some[:, j]) / width).mean(1))
            far = np.exp(-np.abs(middle) / (2 * spread[j] + 0.1 * step))
            self.table[j, :size] = 0.98 * near + 0.02 * far / far.sum() + 1e-7
            place = index[:, j] - self.low[j]
            count = np.bincount(place, minlength=size)
            total = np.bincount(place, codes[:, j], minlength=size)
            self.values[j, :size] = (total + 2 * middle) / (count + 2)
        return self

    def integers(self, X):
        """Return the rounded codes of pictures, as places in the tables; (n, k)."""
        codes = (self._transform(X) - self.mean) @ self.forward
        index = np.clip(np.rint(codes / self.step).astype(int), self.low, self.high)
        return (index - self.low).astype(np.int32)

    def pictures(self, integers):
        """Return the pictures that integers stand for, uint8."""
        codes = self.values[np.arange(integers.shape[1]), integers]
        Z = codes @ self.backward + self.mean
        out = self.transformer.inverse_transform(Z).reshape(-1, *self.shape)
        return np.rint(np.clip(out, 0, 255)).astype(np.uint8)

    def encode(self, integers):
        """Return the byte string of one picture."""
        encoder = constriction.stream.queue.RangeEncoder()
        encoder.encode(integers, FAMILY, self.table)
        full = encoder.get_compressed().astype(">u4").tobytes()
        p = self.table / self.table.sum(1, keepdims=True)
        bits = -np.log2(p[np.arange(len(integers)), integers]).sum()
        for n in range(max(0, int(bits // 8) - 1), len(full)):
            start = int.from_bytes(full[:n], "big")
            for value in (start, start + 1):  # the interval's number, rounded
                if value < 256**n:
                    data = value.to_bytes(n, "big")
                    if np.array_equal(self.decode(data), integers):
                        return data
        return full

    def decode(self, data):
        """Return the integers of one picture from its bytes; None if they are none."""
        words = np.frombuffer(data + bytes(8 - len(data) % 4), dtype=">u4")
        decoder = constriction.stream.queue.RangeDecoder(words.astype(np.uint32))
        try:
            return decoder.decode(FAMILY, self.table)
        except AssertionError:  # not the output of a range coder
            return None

    def one_stream(self, integers):
        """Return the bits of all pictures through one coder, having decoded them."""
        encoder = constriction.stream.queue.RangeEncoder()
        for row in integers:
            encoder.encode(row, FAMILY, self.table)
        decoder = encoder.get_decoder()
        for row in integers:
            assert np.array_equal(decoder.decode(FAMILY, self.table), row)
        return encoder.num_bits()


FAMILY = constriction.stream.model.Categorical(perfect=False)


class Flat:
    """PCA of pictures as rows."""

    def __init__(self, k):
        self.pca = PCA(k, random_state=0)

    def fit(self, X):
        self.pca.fit(X.reshape(len(X), -1))
        return self

    def transform(self, X):
        return self.pca.transform(X.reshape(len(X), -1))

    def inverse_transform(self, Z):
        return self.pca.inverse_transform(Z)


def kilobytes(transformer):
    """Return the size of what a decoder needs, as float32, without the tables."""
    if isinstance(transformer, Flat):
        n = transformer.pca.components_.size + transformer.pca.mean_.size
    else:
        n = sum(p.numel() for p in transformer.net_.module_.decoder.parameters())
    return 4 * n / 1000


def curve(transformer, train, test, steps):
    """Return a row (step, bpp, bpp in one stream, PSNR, SSIM) for each step."""
    coder = Coder(transformer, train)
    floats, rows = test.astype(np.float32), []
    for step in steps:
        coder.at(step)
        integers = coder.integers(floats)
        strings = [coder.encode(row) for row in integers]
        decoded = np.array([coder.decode(string) for string in strings])
        assert np.array_equal(decoded, integers)
        bpp = 8 * sum(len(string) for string in strings) / test.size
        stream = coder.one_stream(integers) / test.size
        rows.append((step, bpp, stream, *judge(test, coder.pictures(decoded))))
    return np.array(rows)


# Rivals


def _file(picture, **options):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, **options)
    return buffer.getvalue()


def _scan(data):
    """Return the entropy-coded part of a JPEG file of one scan."""
    start = data.index(b"\xff\xda") + 2
    return data[start + int.from_bytes(data[start : start + 2], "big") : -2]


def files(test, kind):
    """Return a row (quality, bpp, net bpp, PSNR, SSIM) for each quality."""
    flat, rows = np.full_like(test[0], 128), []
    more = {"optimize": True} if kind == "JPEG" else {"method": 6}
    for quality in QUALITIES:
        options = {"format": kind, "quality": quality}
        data = [_file(picture, **options, **more) for picture in test]
        sizes = np.array([len(file) for file in data])
        net = sizes.mean() - len(_file(flat, **options, **more))
        if kind == "JPEG":
            scans = [len(_scan(_file(picture, **options))) for picture in test]
            net = min(net, np.mean(scans))
        opened = [Image.open(io.BytesIO(file)).convert("L") for file in data]
        values = judge(test, [np.asarray(picture) for picture in opened])
        bits = 8 / flat.size
        rows.append((quality, bits * sizes.mean(), bits * net, *values))
    return np.array(rows)


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


# Printing


def at_rates(bpp, values, rates):
    """Return a curve's values at rates, NaN outside of it."""
    order = np.argsort(bpp)
    inside = bpp[order], values[order]
    return np.interp(np.log(rates), np.log(inside[0]), inside[1], np.nan, np.nan)


def figure(curves, path):
    """Draw {data: {(method, k): (bpp, PSNR, SSIM)}}."""
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

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
    fig.savefig(path, dpi=100, pil_kwargs={"optimize": True})


def main():
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--datasets", nargs="+", choices=STEPS, default=list(STEPS))
    options.add_argument("--seeds", type=int, default=None)
    options.add_argument("--figure", type=Path, default=None, help="where to save it")
    args = options.parse_args()
    n_seeds = args.seeds or (1 if args.quick else 3)
    machine(args.threads)
    start, drawn = time.perf_counter(), {}
    with use_threads(args.threads), quiet():
        for name in args.datasets:
            drawn[name] = one(name, args.quick, n_seeds)
    path = args.figure or (None if args.quick else FIGURE)
    if path is not None and len(drawn) == 2:
        figure(drawn, path)
    print(f"{time.perf_counter() - start:.0f} seconds in all.")


def one(name, quick, n_seeds):
    """Measure and print a data set; return the curves, means over seeds."""
    train, test = pictures(name, quick)
    floats = train.astype(np.float32)
    steps = STEPS[name][1::3] if quick else STEPS[name]
    curves, sizes, seconds = {}, {}, {}  # (method, k): (seeds, settings, 5)
    for k in (16, 64) if quick else (16, 64, 256):
        pca = Flat(k).fit(floats)
        curves["PCA", k] = curve(pca, floats, test, steps)[None]
        sizes["PCA", k] = kilobytes(pca)
    for (method, k), make in autoencoders(name, quick).items():
        seconds[method, k], runs = [], []
        for seed in range(n_seeds):
            before = time.perf_counter()
            estimator = make(seed).fit(floats)
            seconds[method, k].append(time.perf_counter() - before)
            assert estimator.n_components_ == k
            runs.append(curve(estimator, floats, test, steps))
        curves[method, k] = np.array(runs)
        sizes[method, k] = kilobytes(estimator)
    n, (height, width) = len(test), test.shape[1:]
    print(f"## {name}: {len(train)} pictures to train on, {n} of {height} x {width}\n")
    rows, found = [], {}
    for kind in ("JPEG", "WebP"):
        result = files(test, kind)
        for title, column in (("file", 1), ("net", 2)):
            found[f"{kind} {title}", ""] = result[None][:, :, [column, 3, 4]]
        for quality, file, net, psnr, ssim in result:
            setting = f"quality {quality:.0f}"
            rows.append((kind, setting, file, net, f"{psnr:.2f}", f"{ssim:.3f}"))
    header = ("method", "setting", "bpp, file", "bpp, net", "PSNR", "SSIM")
    table(header, rows)
    rows = []
    for (method, k), runs in curves.items():
        found[method, k] = runs[:, :, [1, 3, 4]]
        half = np.ptp(runs, axis=0) / 2
        for mean, spread in zip(runs.mean(0), half, strict=True):
            psnr, ssim = f"{mean[3]:.2f}", f"{mean[4]:.3f}"
            if len(runs) > 1:
                psnr += f" +- {spread[3]:.2f}"
                ssim += f" +- {spread[4]:.3f}"
            setting = f"k {k}, step {mean[0]:.0f}"
            rows.append((method, setting, mean[1], mean[2], psnr, ssim))
    header = ("method", "setting", "bpp", "bpp, one stream", "PSNR", "SSIM")
    table(header, rows)
    compact(name, found, sizes, seconds)
    return {key: runs.mean(0).T for key, runs in found.items()}


def compact(name, found, sizes, seconds):
    """Print PSNR and SSIM at fixed rates."""
    rates = np.array(RATES[name])
    for column, measure, digits in ((1, "PSNR", 2), (2, "SSIM", 3)):
        print(f"### {name}: {measure} at bits per pixel\n")
        rows = []
        for (method, k), runs in found.items():
            at = np.array([at_rates(run[:, 0], run[:, column], rates) for run in runs])
            cells = []
            for values in at.T:
                cell = None
                if np.isfinite(values).all():
                    cell = f"{values.mean():.{digits}f}"
                    if len(runs) > 1:
                        cell += f" +- {np.ptp(values) / 2:.{digits}f}"
                cells.append(cell)
            decoder, fit = sizes.get((method, k)), seconds.get((method, k))
            about = (
                None if decoder is None else f"{decoder:,.0f} kB",
                None if fit is None else float(np.median(fit)),
            )
            rows.append((f"{method} {k}".strip(), *cells, *about))
        table(("method", *(f"{rate:g}" for rate in rates), "decoder", "fit s"), rows)


if __name__ == "__main__":
    main()
