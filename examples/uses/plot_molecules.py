"""
Find molecules alike, and walk towards a property
=================================================

A chemist has a molecule and wants others like it, and then some that dissolve better in
fat. A variational autoencoder makes sixteen numbers of each molecule's 1,024 bits, and
distances and directions among them mean something.
"""

# %%
# Real molecules
# --------------
# The first 5,000 of the National Cancer Institute's molecules, which RDKit ships, as Morgan
# fingerprints: a bit for each kind of neighbourhood that an atom may have. The property is
# Crippen's estimate of the logarithm of the octanol-water partition coefficient, logP. A
# thousand molecules are held out.

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from rdkit import Chem, RDConfig, RDLogger
from rdkit.Chem import Crippen, Draw, rdFingerprintGenerator
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors

from skae import VariationalAutoencoder

RDLogger.DisableLog("rdApp.*")  # nine texts are no molecules
file = Path(RDConfig.RDDataDir) / "NCI" / "first_5K.smi"
smiles = pd.read_csv(file, sep="\t", names=["smiles", "number"])["smiles"]
molecules = np.array([m for m in map(Chem.MolFromSmiles, smiles) if m is not None])
morgan = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=1024)
bits = np.array([morgan.GetFingerprintAsNumPy(m) for m in molecules], dtype=np.float32)
_, first = np.unique(bits, axis=0, return_index=True)  # mirror images share their bits
logp = np.array([Crippen.MolLogP(m) for m in molecules])
train, test = train_test_split(np.sort(first), test_size=1000, random_state=0)

# %%
# Sixteen numbers
# ---------------
# Bits are Bernoulli variables, so that is the likelihood.

vae = VariationalAutoencoder(16, likelihood="bernoulli", max_iter=20, random_state=0)
vae.fit(bits[train])
codes = vae.transform(bits)

# %%
# Neighbours
# ----------
# How alike two molecules are is, to a chemist, Tanimoto's index of their bits: those that
# both have, of those that either has. How alike is the one whose code is nearest?


def similarity(a, b):
    """Return Tanimoto's index of fingerprints a and b; (n, 1024) to (n,)."""
    return np.minimum(a, b).sum(axis=1) / np.maximum(a, b).sum(axis=1)


pca = PCA(16, random_state=0).fit(bits[train])
alike = {}
for name, numbers in (("autoencoder", codes), ("PCA", pca.transform(bits))):
    search = NearestNeighbors(n_neighbors=1).fit(numbers[train])
    nearest = train[search.kneighbors(numbers[test])[1][:, 0]]
    alike[name] = similarity(bits[test], bits[nearest]).mean()

# %%
# A walk
# ------
# A line through the codes, along which logP rises most: the gradient of a linear model. The
# walk passes the first molecule that was held out, in forty steps, and looks up the nearest
# real molecule at each; five of those that it meets are shown.

gradient = RidgeCV().fit(codes[train], logp[train]).coef_
start = test[0]
steps = np.linspace(-6, 6, 41)[:, None] * gradient / np.linalg.norm(gradient)
search = NearestNeighbors(n_neighbors=4).fit(codes[train])
met = search.kneighbors(codes[start] + steps, n_neighbors=1)[1][:, 0]
met = train[list(dict.fromkeys(met))]
walk = met[np.linspace(0, len(met) - 1, 5).astype(int)]
neighbours = train[search.kneighbors(codes[[start]])[1][0]]

fig, axes = plt.subplots(2, 5, figsize=(9, 4.2), layout="constrained")
for ax, i in zip(axes.flat, [start, *neighbours, *walk], strict=True):
    ax.imshow(Draw.MolToImage(molecules[i], size=(320, 260)))
    ax.set(xticks=[], yticks=[], xlabel=f"logP {logp[i]:.1f}")
    ax.spines[:].set_color("0.8")
axes[0, 0].set_title("held out", loc="left")
axes[0, 1].set_title("and the nearest ones", loc="left")
axes[1, 0].set_title("a walk along which logP should rise", loc="left")
plt.show()

# %%
ours, rival = alike.values()
print(f"Similarity to the nearest by 16 numbers: {ours:.2f} (PCA's: {rival:.2f})")
