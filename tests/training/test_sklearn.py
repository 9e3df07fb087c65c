"""The estimators pass scikit-learn's own checks, and work in its searches and pipelines."""

import pickle
import sys

import numpy
import pytest

import verigrad
from verigrad import nn

pytest.importorskip("sklearn")

from sklearn.datasets import load_diabetes, load_iris  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import check_estimator  # noqa: E402

from verigrad.training.sklearn import Classifier, Regressor  # noqa: E402


# Their warnings about checks that do not apply (array libraries that are not installed) are no errors here.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize("estimator", [Classifier(), Regressor()], ids=["classifier", "regressor"])
def test_the_checks_of_scikit_learn(estimator):
    results = check_estimator(estimator, on_fail=None)
    failed = [f"{one['check_name']}: {one['exception']}" for one in results if one["status"] == "failed"]
    assert failed == []
    assert len([one for one in results if one["status"] == "passed"]) > 30


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_grid_search_in_a_pipeline(jobs):
    data, labels = load_iris(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), Classifier(epochs=15, random_state=0))
    grid = {"classifier__hidden": [(4,), (16, 8)], "classifier__lr": [1e-6, 0.02]}
    search = GridSearchCV(pipeline, grid, cv=3, n_jobs=jobs).fit(data, labels)
    assert search.best_params_["classifier__lr"] == 0.02
    assert search.best_score_ > 0.9


def test_regression():
    data, target = load_diabetes(return_X_y=True)
    assert (
        cross_val_score(Regressor(hidden=(8,), epochs=15, random_state=0), data, target, cv=3).mean() > 0.35
    )


def test_labels_of_any_kind_and_probabilities():
    data, labels = load_iris(return_X_y=True)
    names = numpy.array(["setosa", "versicolor", "virginica"])[labels]
    model = Classifier(epochs=10, random_state=1).fit(data, names)
    probabilities = model.predict_proba(data)
    assert probabilities.shape == (150, 3) and numpy.allclose(probabilities.sum(1), 1)
    assert (model.classes_[probabilities.argmax(1)] == model.predict(data)).all()
    assert model.score(data, names) > 0.9
    assert len(model.history_) == model.n_iter_ == 10


def small(features, outputs):
    return nn.Sequential(nn.Linear(features, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, outputs))


def test_own_networks_and_pickles():
    data, labels = load_iris(return_X_y=True)
    model = Classifier(build=small, optimizer="sgd", lr=0.1, epochs=20, random_state=0).fit(data, labels)
    random = verigrad.get_rng_state()
    again = pickle.loads(pickle.dumps(model))
    assert verigrad.equal(random, verigrad.get_rng_state())
    assert (again.predict_proba(data) == model.predict_proba(data)).all()
    assert type(again.network_[1]) is nn.BatchNorm1d


def test_the_same_seed_gives_the_same_network_and_leaves_the_generator():
    data, labels = load_iris(return_X_y=True)
    random = verigrad.get_rng_state()
    first, second, other = (
        Classifier(epochs=2, random_state=seed).fit(data, labels).predict_proba(data) for seed in (0, 0, 1)
    )
    assert (first == second).all() and (first != other).any()
    assert verigrad.equal(random, verigrad.get_rng_state())


def test_an_unknown_optimizer():
    with pytest.raises(ValueError, match="Classifier: expected optimizer to be one of adam, adamw, sgd"):
        Classifier(optimizer="magic").fit([[0.0], [1.0]], [0, 1])


def test_without_scikit_learn(monkeypatch):
    monkeypatch.delitem(sys.modules, "verigrad.training.sklearn")
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r'expected scikit-learn .*pip install "verigrad\[sklearn\]"'):
        import verigrad.training.sklearn  # noqa: F401
