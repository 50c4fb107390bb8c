"""Which estimator does what, and how well: a line for each, of the tables that there are.

which: nothing is fitted here. Each figure is read from another table in ``results``; the
    JSON file names them, in the order of the lines, and their scripts say how they were
    measured. "beside" is the best that was tried beside ours, and what people take first.
    "time" is that of our fit over that of another one, where the same run measured it.
"""

import csv
import json
import re

import numpy as np
from _common import RESULTS, Table

HEADER = "estimator", "figure", "ours", "beside", "time"


def read(name):
    """Return the rows of a measured table, as dicts of texts."""
    with open(RESULTS / f"{name}.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def cell(name, column, **where):
    """Return the cell of the one row whose columns (their first letters) are so."""
    rows = [
        row
        for row in read(name)
        if all(row[_named(row, key)].startswith(value) for key, value in where.items())
    ]
    return rows[0][column]


def _named(row, key):
    """Return a column by its first word; "first" is the first of all."""
    names = [*row]
    return names[0] if key == "first" else next(n for n in names if n.startswith(key))


def head(text):
    """Return a figure without its spread or its worst."""
    return re.split(r" [(±]", text)[0]


def at(text, number):
    """Return what is explained "at 5: 0.741" of such pairs."""
    return dict(pair.split(": ") for pair in text.split(", "))[number]


def explained():
    """Yield the plain autoencoder's lines."""
    rows = [row for row in read("quality") if row["k"] == "8"]

    def mean(column):
        return f"{np.mean([float(row[column]) for row in rows]):.2f}"

    times = np.median([float(row["time ratio to MLP"]) for row in rows])
    yield (
        "Autoencoder",
        "held-out variance explained by 8 numbers",
        f"{len(rows)} tables, mean",
        mean("Autoencoder"),
        f"MLPRegressor {mean('MLPRegressor')}, PCA {mean('PCA')}",
        f"MLPRegressor's x {times:.1f}",
        "quality",
    )
    name, mine = "downstream_summary", "20 not tuned on"
    yield (
        "Autoencoder",
        "points that a model of the codes gains over PCA",
        f"{mine.split()[0]} tables",
        head(cell(name, "all", first=mine, against="Autoencoder")),
        f"PLS, told y, {head(cell(name, 'all', first=mine, against='PLS'))}",
        "",
        name,
    )
    name, mine = "target_codes_summary", "27 not chosen by"
    rows = {row[""]: row["over PCA"] for row in read(name) if row["tables"] == mine}
    yield (
        "Autoencoder, told y",
        "the same",
        f"{mine.split()[0]} tables",
        head(rows["y: auto"]),
        f"PLS {head(rows['PLS'])}",
        "",
        name,
    )


def pictures():
    """Yield the lines of denoising and of convolutions."""
    name = "pictures_noise"
    column = next(c for c in read(name)[0] if c.startswith("Gaussian"))

    def gain(method):
        return cell(name, column, first=method)

    dense = gain("DenoisingAutoencoder(64), dense")
    convolutional = gain("the same with filters")
    yield (
        "DenoisingAutoencoder",
        "PSNR gained on noise, dB, dense / convolutional",
        "MNIST",
        f"{dense} / {convolutional}",
        f"ridge regression {gain('ridge')}, median filter {gain('median')}",
        "",
        name,
    )
    name = "pictures_convolution"
    row = next(row for row in read(name) if row["parameters"] == "111,000")
    yield (
        "ConvolutionalAutoencoder",
        f"error a pixel, {row['parameters']} parameters",
        "MNIST",
        row["convolutional"],
        f"dense {row['dense'].split(';')[0]}",
        "",
        name,
    )


def generated():
    """Yield the lines of what draws rows."""
    name, nats, times = "generation_density", "NLL, nats", "fit time / loop"
    loop, theirs = (
        head(cell(name, nats, method=method)) for method in ("loop", "pythae 0.1.2")
    )
    yield (
        "VariationalAutoencoder",
        "nats a held-out picture costs",
        "MNIST",
        head(cell(name, nats, method="VariationalAutoencoder")),
        f"by hand {loop}, pythae {theirs}",
        f"by hand x {cell(name, times, method='VariationalAutoencoder')}",
        name,
    )
    name = "synthetic"
    of = {row[""]: row["told apart"] for row in read(name)}
    for which in "VariationalAutoencoder", "LatentSampler":
        yield (
            which,
            "AUC of telling drawn rows from real ones, 0.5 is best",
            f"{len(read(f'{name}_told_apart')[0]) - 1} tables",
            of[which],
            f"Gaussian copula {of['Gaussian copula']}, TVAE {of['TVAE']}",
            "",
            name,
        )
    name, mine = "oversampling_summary", "10 shown"
    row = next(row for row in read(name) if row["tables"] == mine)
    yield (
        "AutoencoderOverSampler",
        "gain in a classifier's score",
        f"{mine.split()[0]} tables",
        head(row["AutoencoderOverSampler"]),
        f"SMOTE {head(row['SMOTE'])}, repeated rows {head(row['repeated'])}",
        "",
        name,
    )


def codes():
    """Yield the lines of special codes."""
    name, mine = "adversarial_clusters_mnist", "adversarial autoencoder"
    yield (
        "AdversarialAutoencoder",
        "rows in the wrong one of 10 clusters, %",
        "MNIST",
        *(
            f"{text}{head(cell(name, 'matched', clusters='10', method=method))}"
            for text, method in (("", mine), ("spectral clustering ", "spectral"))
        ),
        "",
        name,
    )
    name = "sparse_curve"
    rows = {row["method"]: row for row in read(name)}
    ours, omp = "top-k, pursuit", "dictionary learning, OMP"
    of = {m: at(rows[m]["on in a row: explained"], "5") for m in (ours, omp, "PCA")}
    ratio = float(rows[ours]["fit"]) / float(rows[omp]["fit"])
    yield (
        "SparseAutoencoder",
        "held-out variance explained with 5 units on in a row",
        "digits",
        of[ours],
        f"dictionary learning {of[omp]}, PCA(5) {of['PCA']}",
        f"dictionary learning's x {ratio:.1f}",
        name,
    )
    name, bits = "hashing_mnist", "mAP, 32 bits"
    yield (
        "BinaryAutoencoder",
        "mean average precision by 32 bits, %",
        "MNIST",
        head(cell(name, bits, codes="BinaryAutoencoder")),
        f"ITQ {head(cell(name, bits, codes='ITQ'))}, "
        f"pixels {head(cell(name, bits, codes='pixels'))}",
        "",
        name,
    )
    name, data = "selection_ridge", "digits, 10 of 64"
    seconds, of_pca = (
        cell("selection_seconds", data, first=method)
        for method in ("AutoencoderFeatureSelector", "PCA loadings")
    )
    yield (
        "AutoencoderFeatureSelector",
        "variance of all columns that 10 of 64 explain",
        "digits",
        cell(name, data, first="AutoencoderFeatureSelector"),
        f"PCA loadings {cell(name, data, first='PCA')}, "
        f"largest variance {cell(name, data, first='largest')}",
        f"{float(seconds):.0f} s, PCA's {of_pca} s",
        name,
    )


def jobs():
    """Yield the lines of outliers, missing cells and few labels."""
    for setting, what in (
        ("contaminated", "outliers among the training rows"),
        ("novelty", "clean training rows"),
    ):
        name = f"outliers_{setting}"
        of = {row["method"]: row["AUROC, mean"] for row in read(name)}
        mine = of.pop("AutoencoderOutlierDetector")
        del of["untrained"]  # ours, too
        best = max(of, key=of.get)
        yield (
            "AutoencoderOutlierDetector",
            f"AUROC, {what}",
            "16 tables",
            mine,
            f"{best} {of[best]}, IsolationForest {of['IsolationForest']}",
            "",
            name,
        )
    name = "mixed_outliers"
    row = next(r for r in read(name) if r["tables"] == "set aside")
    seconds = next(r for r in read(name) if r["tables"].startswith("CPU s"))
    mine, forest = "AutoencoderOutlierDetector", "IsolationForest"
    yield (
        mine,
        "average precision, tables with categories",
        "5 tables",
        row[mine],
        f"PyOD's AE {row[PYOD]}, {forest} {row[forest]}",
        f"PyOD's x {float(seconds[mine]) / float(seconds[PYOD]):.1f}",
        name,
    )
    name = "imputation_summary"
    rows = {row["holes"]: row for row in read(name)}
    speed = read("imputation_speed")[0]
    of = {holes: row["/ best rival"] for holes, row in rows.items()}
    yield (
        "AutoencoderImputer",
        "error over the best rival's, holes at random / by other columns",
        "8 tables",
        f"{of['MCAR']} / {of['MAR']}",
        "the best of five: 1",
        f"IterativeImputer's with ExtraTrees x {float(speed['/ ExtraTrees']):.1f}, at "
        f"defaults x {float(speed['/ BayesianRidge']):.0f}",
        name,
    )
    name, labels = "few_labels_mnist", "100 labels"
    of = {next(iter(row.values())): head(row[labels]) for row in read(name)}
    yield (
        "AutoencoderClassifier",
        f"accuracy with {labels}",
        "MNIST",
        of["skae"],
        f"SelfTrainingClassifier {of['SelfTrainingClassifier']}, "
        f"random forest {of['random forest']}",
        "",
        name,
    )
    name, known = "few_labels_numbers", "100"
    rows = [row for row in read(name) if row["known"] == known]

    def mean(method):
        return f"{np.mean([float(head(row[method])) for row in rows]):.2f}"

    yield (
        "AutoencoderRegressor",
        f"R2 with {known} numbers known",
        f"{len(rows)} tables, mean",
        mean("skae"),
        f"ridge {mean('ridge')}, random forest {mean('random forest')}",
        "",
        name,
    )


PYOD = "PyOD's AE"
PARTS_OF_IT = explained, pictures, generated, codes, jobs


def which(options):
    """Collect the figures; the file says of which dates they are."""
    lines = [line for part in PARTS_OF_IT for line in part()]
    rows = [(name, f"{figure} ({data})", *rest) for name, figure, data, *rest, _ in lines]
    sources = [line[-1] for line in lines]
    dates = sorted(
        json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))["date"]
        for name in sources
    )
    about = {
        "machine": "several machines",
        "date": f"{dates[0]} to {dates[-1]}",
        "note": f"the lines are from {', '.join(sources)}",
    }
    yield Table("which", HEADER, rows, about=about)


PARTS = {"which": which}
