"""scikit-learn's grid search, with autoencoders that are trained together."""

import copy
import math
import warnings
from collections import Counter
from contextlib import contextmanager, nullcontext

import joblib
import numpy as np
from sklearn import get_config
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV as _GridSearchCV
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _check_method_params

from skae._autoencoders.ahead import CELLS, Ahead, foreseen, train_all
from skae._autoencoders.base import BaseAutoencoder
from skae._params import SITE


class GridSearchCV(_GridSearchCV):
    """Grid search whose autoencoders are trained together, fold by fold.

    It is scikit-learn's `GridSearchCV`, with the same parameters, methods and attributes,
    and the same results but for rounding, which a training may enlarge. Before the search
    fits its candidates, those autoencoders among them that see the same rows are trained
    as one batched model, so that a small training costs a fraction of what it costs by
    itself. Each keeps its own seed, learning rate, best epoch and end. All else is left to
    scikit-learn, which scores, ranks and refits.

    Trained together are candidates that differ in `n_components`, in the widths of dense
    layers, or in `learning_rate`, `max_iter`, `n_iter_no_change`, `tol` or
    `random_state`; what differs in other parameters makes batches of its own. Candidates
    whose training is the same, as in a pipeline of which only later steps differ, are
    trained once. See Notes for what is fitted one by one, as usual.

    Parameters
    ----------
    estimator : estimator object
        An autoencoder, a `~sklearn.pipeline.Pipeline` with one in it, or any other
        estimator, which is searched as scikit-learn does.
    param_grid : dict or list of dict
        Values to try, by the parameters' names. Steps of a pipeline may be tried too:
        ``{"reduce": [PCA(8), Autoencoder(8)]}``.
    scoring : str, callable, list, tuple or dict, default=None
        What the candidates are judged by; None takes the estimator's `score`.
    n_jobs : int, default=None
        Batches, of one fold each or less, that are trained at a time, in processes; all
        else then runs in as many threads. None means 1 unless in a
        `joblib.parallel_config` context, -1 all processors.
    refit : bool, str, or callable, default=True
        Whether to fit the best candidate to all rows; with several metrics, the name of
        the one that chooses. A function takes `cv_results_` and returns the index of the
        candidate, as `skae.metrics.smallest_within` does.
    cv : int, cross-validation generator or an iterable, default=None
        The folds; None makes five.
    verbose : int, default=0
        How much scikit-learn prints of the search.
    pre_dispatch : int, or str, default='2*n_jobs'
        How many fits are prepared at a time.
    error_score : 'raise' or numeric, default=numpy.nan
        The score of a candidate that fails in a fold.
    return_train_score : bool, default=False
        Whether rows trained on are scored as well.

    Attributes
    ----------
    cv_results_ : dict of numpy (masked) ndarrays
        Scores, ranks, parameters and times of the candidates. An autoencoder's fit time
        holds its share of its batch's time, by epochs; what several candidates share
        counts for each in part.
    best_estimator_ : estimator
        The chosen candidate, fitted to all rows; unless ``refit=False``.
    best_score_ : float
        Its mean score on held-out rows; unless `refit` is a function.
    best_params_ : dict
        Its parameters.
    best_index_ : int
        Its place in `cv_results_`.
    scorer_ : function or a dict
        What judged.
    n_splits_ : int
        Number of folds.
    refit_time_ : float
        Seconds of the last fit.
    multimetric_ : bool
        Whether there are several metrics.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if the best estimator knows them.

    See Also
    --------
    sklearn.model_selection.GridSearchCV : The same, one fit after another.
    skae.metrics.smallest_within : A `refit` that takes the smallest code of the good ones.

    Notes
    -----
    Fitted one by one are autoencoders with dropout, batch normalisation or an optimiser of
    one's own; with ``n_jobs`` above 1, in processes all the same. Those with ``verbose=1``
    print how far their batch is. Only fitted as scikit-learn does, with ``n_jobs`` in
    threads where others are trained together, are those within another estimator than a
    pipeline, those with callbacks or networks of one's own, those behind a step that gives
    other rows each time, and tables of more than 16 million cells.

    Steps before an autoencoder are fitted once more for each fold, and twice for the first,
    to know the rows that it will see, unless a pipeline's `memory` has them; where each
    candidate has steps of its own there, none is fitted ahead. A `fit` that fails, or is
    interrupted, leaves the search as it was.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import Autoencoder
    >>> from skae.model_selection import GridSearchCV
    >>> X, _ = load_digits(n_class=3, return_X_y=True)
    >>> grid = {"n_components": [2, 4, 8], "learning_rate": [1e-3, 1e-2]}
    >>> search = GridSearchCV(Autoencoder(max_iter=10, random_state=0), grid, cv=2).fit(X)
    >>> search.best_params_["n_components"]
    8
    """

    _doc_link_module = "skae"
    _doc_link_template = SITE + "generated/skae.model_selection.{estimator_name}.html"

    def fit(self, X, y=None, **params):
        """Search, and fit the best candidate to all rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, in whatever the estimator takes.
        y : array-like of shape (n_samples,) or (n_samples, n_output), default=None
            Labels, for folds, scores and estimators that know them.
        **params : dict of str -> object
            Passed to `fit`, to the scorer and to the splitter, as scikit-learn does; what
            has as many rows as X is split as X is.

        Returns
        -------
        self : object
            The fitted search.
        """
        before = dict(vars(self))
        try:
            with self._getting_ready(params):
                super().fit(X, y, **params)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise
        return self

    @contextmanager
    def _getting_ready(self, params):
        """Note what is needed to train ahead; leave all as it is if nothing can be."""
        self._given, context = None, nullcontext()
        times = Counter(map(_head_of, self._candidates()))
        shared = {head for head, n in times.items() if head and n > 1}
        if shared:
            # jobs are made here, as the caller's context may say where they run
            n_jobs, jobs = joblib.effective_n_jobs(self.n_jobs), Parallel(self.n_jobs)
            self._given = params, jobs, n_jobs, shared
            if n_jobs > 1:  # what is trained ahead is in this process
                context = joblib.parallel_config("threading", n_jobs=n_jobs)
        with context:
            yield
        del self._given

    def _candidates(self):
        """Yield the candidates, none of them fitted, as far as they can be made."""
        try:
            for parameters in ParameterGrid(self.param_grid):
                yield _made(self.estimator, parameters)
        except Exception:  # scikit-learn says what is wrong
            return

    def _run_search(self, evaluate_candidates, *, callback_ctx=None):
        if self._given is None or vars(self).get("_skl_callbacks"):  # which see each epoch
            super()._run_search(evaluate_candidates, callback_ctx=callback_ctx)
            return

        def evaluate(candidates, **kwargs):
            candidates, ahead, shares = list(candidates), Ahead(), []

            def look(X, y, folds):
                shares.append(self._train_ahead(ahead, candidates, X, y, folds))

            folds = _Folds(self._checked_cv_orig, look)
            with ahead.open():
                results = evaluate_candidates(candidates, cv=folds, **kwargs)
            for share in shares:
                mean, std = (results[f"{name}_fit_time"] for name in ("mean", "std"))
                mean += share.mean(1)
                np.hypot(std, share.std(1), out=std)
            return results

        super()._run_search(evaluate, callback_ctx=callback_ctx)

    def _train_ahead(self, ahead, candidates, X, y, folds):
        """Train what candidates will ask for; return seconds (n_candidates, n_folds)."""
        _, jobs, n_jobs, shared = self._given
        wanted, heads = [], _Heads(shared)
        for train, _ in folds:
            found = self._wanted(candidates, X, y, train, heads)
            wanted.append([one and ahead.want(one) for one in found])
        chunks = ahead.chunks(n_jobs)
        try:
            done = jobs(
                delayed(train_all)([w.recipe for w in chunk], [w.sample for w in chunk])
                for chunk in chunks
            )
        except Exception:  # what cannot be sent to where jobs run
            done = []
        for chunk, found in zip(chunks, done, strict=False):
            for one, trained, seconds in zip(chunk, *found, strict=True):
                one.trained, one.seconds = trained, seconds / one.times
        return np.array([[one.seconds if one else 0.0 for one in row] for row in wanted]).T

    def _wanted(self, candidates, X, y, index, heads):
        """Return what each candidate would train on some rows, or None."""
        params, *_ = self._given
        if get_config()["enable_metadata_routing"]:
            params = process_routing(self, "fit", **params).estimator.fit
        else:
            params = {name: v for name, v in params.items() if name != "groups"}
        params, found = _check_method_params(X, params, index), []
        heads.rows.clear()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the fits will say the same
            for parameters in candidates:
                try:
                    candidate = _made(self.estimator, parameters)
                    rows = _safe_split(candidate, X, y, index)
                    found.append(_foreseen(candidate, *rows, params, heads))
                except Exception:  # the fit will say what is wrong
                    found.append(None)
        return found


class _Folds:
    """A splitter that shows its folds to somebody before it gives them."""

    def __init__(self, cv, look):
        self.cv, self.look = cv, look

    def split(self, X, y=None, **params):
        folds = list(self.cv.split(X, y, **params))
        self.look(X, y, folds)
        return folds


def _made(estimator, parameters):
    return clone(estimator).set_params(**clone(parameters, safe=False))


def _place(candidate):
    """Return how many steps there are up to a candidate's autoencoder; 0 if it has none."""
    steps = [("", candidate)]
    if type(candidate) is Pipeline and candidate.transform_input is None:
        steps = candidate.steps
    return next((i for i, (_, step) in enumerate(steps, 1) if _is_ours(step)), 0)


def _is_ours(step):
    return isinstance(step, BaseAutoencoder)


def _head_of(candidate):
    """Return a hash of the steps before a candidate's autoencoder, None if unknown."""
    place = _place(candidate)
    if not place:
        return None
    try:
        return joblib.hash(candidate.steps[: place - 1] if place > 1 else ())
    except Exception:  # there is what cannot be pickled
        return None


class _Heads:
    """The steps before autoencoders, and what comes of the rows of a fold in them.

    Only those that several candidates share: else there is nothing to train together.
    """

    def __init__(self, shared):
        self.shared, self.changing, self.known, self.rows = shared, set(), set(), {}

    def through(self, candidate, n_steps, X, y):
        """Return what comes of rows in first steps, or None if it differs each time."""
        key, steps = _head_of(candidate), candidate.steps[:n_steps]
        if key in self.changing:
            return None
        if key not in self.rows:
            # with a cache, if there is one, in which the fits will find it again
            head = Pipeline([*steps, ("last", "passthrough")], memory=candidate.memory)
            if any(map(_is_ours, head.get_params().values())):
                return None
            again = None
            if key not in self.known:  # the first fold tells whether they differ
                again = joblib.hash(clone(head).fit_transform(copy.deepcopy(X), y))
                self.known.add(key)
            self.rows[key] = clone(head).fit_transform(X, y)
            if again is not None and again != joblib.hash(self.rows[key]):
                self.changing.add(key)
                return None
        return self.rows[key]


def _foreseen(candidate, X, y, params, heads):
    """Return what a candidate would train, or None if that cannot be known."""
    place = _place(candidate)
    if _head_of(candidate) not in heads.shared or vars(candidate).get("_skl_callbacks"):
        return None
    if type(candidate) is Pipeline:
        rest = Pipeline(candidate.steps[place - 1 :])
        if place > 1:
            owners = tuple(f"{name}__" for name, _ in rest.steps)
            if not all(name.startswith(owners) for name in params):
                return None
            X = heads.through(candidate, place - 1, X, y)
        candidate = rest
    found = None if X is None else foreseen(lambda: candidate.fit(X, y, **params))
    if found is None or math.prod(found.sample.X.shape) > CELLS:
        return None
    return found if found.can_be_known_again else None
