"""
Take the noise out of tomography
================================

Fewer X-rays are better for a patient, and worse for the picture. A convolutional denoising
autoencoder is shown scans beside what was really there, and learns to clean further scans.
"""

# %%
# Scans of phantoms
# -----------------
# Scanners are tried on phantoms: here the Shepp-Logan phantom of scikit-image, a section of
# a head, stretched, turned and given growths. A computed tomograph sees few photons at each
# of sixty angles, and filtered back projection makes streaks of the noise of their counts.

import matplotlib.pyplot as plt
import numpy as np
from skimage.data import shepp_logan_phantom
from skimage.restoration import denoise_nl_means
from skimage.transform import AffineTransform, iradon, radon, resize, warp

from skae import DenoisingAutoencoder
from skae.networks import ConvolutionalNetwork

SIZE, PHOTONS = 64, 300
head = resize(shepp_logan_phantom(), (SIZE, SIZE), anti_aliasing=True)
to_centre = AffineTransform(translation=(0.5 - SIZE / 2,) * 2)
y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2
angles = np.arange(0, 180, 3)


def phantom(rng):
    """Return another head, with up to four growths; (64, 64), from 0 to 1."""
    scale, rotation = rng.uniform(0.75, 1.1, 2), rng.uniform(-np.pi, np.pi)
    deform = AffineTransform(scale=scale, rotation=rotation, shear=rng.uniform(-0.2, 0.2))
    picture = warp(head, (to_centre + deform + to_centre.inverse).inverse)
    for _ in range(rng.integers(0, 5)):
        (right, down), radius = rng.uniform(-SIZE / 5, SIZE / 5, 2), rng.uniform(1.5, 6)
        inside = ((x - right) ** 2 + (y - down) ** 2 < radius**2) & (picture > 0.05)
        picture = picture + rng.uniform(-0.2, 0.4) * inside
    return picture.clip(0, 1)


def scan(picture, rng):
    """Return a picture as the scanner sees it; (64, 64)."""
    thickness = radon(picture, angles, circle=False)
    thickest = thickness.max() / 3  # a twentieth of the photons passes
    photons = rng.poisson(PHOTONS * np.exp(-thickness / thickest)).clip(1)
    return iradon(
        -np.log(photons / PHOTONS) * thickest, angles, circle=False, output_size=SIZE
    )


def decibels(pictures, rows):
    """Return the mean peak signal-to-noise ratio, in dB."""
    error = np.square(pictures.clip(0, 1) - heads[rows]).mean(axis=(1, 2))
    return -10 * np.log10(error).mean()


rng = np.random.default_rng(0)
heads = np.array([phantom(rng) for _ in range(240)], dtype=np.float32)
scans = np.array([scan(picture, rng) for picture in heads], dtype=np.float32)
train, few, test = slice(0, 200), slice(0, 20), slice(200, 240)

# %%
# Clean them
# ----------
# ``X_clean`` is what each training scan should have been.

denoiser = DenoisingAutoencoder(
    None, network=ConvolutionalNetwork(filters=(32, 64)), max_iter=25, random_state=0
).fit(scans[train], X_clean=heads[train])
cleaned = denoiser.denoise(scans[test])

# %%
# The rival, non-local means, learns nothing: it averages patches that look alike. It is
# told how strong the noise is, by an empty corner, and given the best of five smoothings.


def by_means(rows, h):
    """Return scans after non-local means."""
    levels = [(s, s[:8, :8].std()) for s in scans[rows]]
    return np.array([denoise_nl_means(s, 5, 7, h=h * n, sigma=n) for s, n in levels])


h = max((0.6, 0.8, 1.0, 1.2, 1.5), key=lambda h: decibels(by_means(few, h), few))
smoothed = by_means(test, h)

names = ("truth", "scan", "non-local means", "autoencoder")
fig, axes = plt.subplots(1, 4, figsize=(10, 5.2), layout="constrained")
columns = (heads[test], scans[test], smoothed, cleaned)
for ax, name, pictures in zip(axes, names, columns, strict=True):
    ax.imshow(np.vstack(pictures[:2]), cmap="gray", vmin=0, vmax=0.7)
    ax.set_axis_off()
    ax.set_title(name if ax is axes[0] else f"{name}, {decibels(pictures, test):.1f} dB")
plt.show()

# %%
ours, rival = decibels(cleaned, test), decibels(smoothed, test)
print(f"Signal to noise: {ours:.1f} dB (non-local means: {rival:.1f} dB)")
