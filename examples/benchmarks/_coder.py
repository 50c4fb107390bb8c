"""Pictures to bytes: a coder of codes, and JPEG and WebP beside it.

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

JPEG and WebP are Pillow's, grey, JPEG with optimize=True, WebP with method=6 (it knows no
grey: its colours are constant). "File" is the whole file: a header, and tables, weigh more
than such a small picture. "Net" is what could be left if encoder and decoder agreed on
them: for WebP, the file less that of a flat picture (128) of the same size and quality;
for JPEG, this or the entropy-coded data alone (from the end of the header SOS to the mark
EOI, with standard tables, optimize=False), whichever is less in the mean of the test
pictures.
"""

import io

import numpy as np
from _common import needed
from scipy.special import ndtr
from sklearn.decomposition import PCA

QUALITIES = (1, 3, 5, 10, 20, 40, 60, 80)


def judge(pictures, decoded):
    """Return mean PSNR and mean SSIM."""
    metrics = needed("skimage.metrics", "scikit-image")
    pairs = list(zip(pictures, decoded, strict=True))
    psnr = [metrics.peak_signal_noise_ratio(x, r, data_range=255) for x, r in pairs]
    ssim = [
        metrics.structural_similarity(x, r, data_range=255, win_size=7) for x, r in pairs
    ]
    return float(np.mean(psnr)), float(np.mean(ssim))


class Coder:
    """Bytes from the codes of one fitted transformer; `X` are training pictures."""

    def __init__(self, transformer, X):
        stream = needed("constriction").stream
        self.queue, self.family = stream.queue, stream.model.Categorical(perfect=False)
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
        encoder = self.queue.RangeEncoder()
        encoder.encode(integers, self.family, self.table)
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
        decoder = self.queue.RangeDecoder(words.astype(np.uint32))
        try:
            return decoder.decode(self.family, self.table)
        except AssertionError:  # not the output of a range coder
            return None

    def one_stream(self, integers):
        """Return the bits of all pictures through one coder, having decoded them."""
        encoder = self.queue.RangeEncoder()
        for row in integers:
            encoder.encode(row, self.family, self.table)
        decoder = encoder.get_decoder()
        for row in integers:
            assert np.array_equal(decoder.decode(self.family, self.table), row)
        return encoder.num_bits()


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
    """Return a row (bpp, bpp in one stream, PSNR, SSIM) for each step."""
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
        rows.append((bpp, stream, *judge(test, coder.pictures(decoded))))
    return np.array(rows)


def _file(picture, **options):
    buffer, image = io.BytesIO(), needed("PIL.Image", "pillow")
    image.fromarray(picture).save(buffer, **options)
    return buffer.getvalue()


def _scan(data):
    """Return the entropy-coded part of a JPEG file of one scan."""
    start = data.index(b"\xff\xda") + 2
    return data[start + int.from_bytes(data[start : start + 2], "big") : -2]


def files(test, kind):
    """Return a row (bpp, net bpp, PSNR, SSIM) for each quality."""
    flat, rows = np.full_like(test[0], 128), []
    image = needed("PIL.Image", "pillow")
    more = {"optimize": True} if kind == "JPEG" else {"method": 6}
    for quality in QUALITIES:
        options = {"format": kind, "quality": quality}
        data = [_file(picture, **options, **more) for picture in test]
        sizes = np.array([len(file) for file in data])
        net = sizes.mean() - len(_file(flat, **options, **more))
        if kind == "JPEG":
            scans = [len(_scan(_file(picture, **options))) for picture in test]
            net = min(net, np.mean(scans))
        opened = [image.open(io.BytesIO(file)).convert("L") for file in data]
        values = judge(test, [np.asarray(picture) for picture in opened])
        bits = 8 / flat.size
        rows.append((bits * sizes.mean(), bits * net, *values))
    return np.array(rows)


def at_rates(bpp, values, rates):
    """Return a curve's values at rates, NaN outside of it."""
    order = np.argsort(bpp)
    inside = bpp[order], values[order]
    return np.interp(np.log(rates), np.log(inside[0]), inside[1], np.nan, np.nan)
