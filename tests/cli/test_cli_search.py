"""Searches of special networks by the command line."""

import json

from test_cli_calls import FIT, QUICK, place

from bridle.search import configuration

__all__ = ["place"]  # a fixture


def test_a_search_embeds_if_it_is_told_to(bridle, place, monkeypatch):
    monkeypatch.chdir(place)
    options = ("--folds", "2", "--configurations", "9", "--json")
    monkeypatch.setattr(configuration, "EMBEDDED", 1.0)
    found = json.loads(bridle(*FIT, *QUICK, *options, "--embeddings").out)
    assert found["configuration"]["embedding"] > 0
    assert "--embeddings starts a search" in bridle(*FIT, "--embeddings", "--l1", "1e-3").err


def test_no_embeddings_starts_no_search(bridle, place, monkeypatch):
    monkeypatch.chdir(place)
    for fixed in (("--l2", "0.1"), ("--epochs", "3")):
        ran = bridle(*FIT, *QUICK, *fixed, "--no-embeddings", "--json")
        assert (ran.code, "configuration" in json.loads(ran.out)) == (0, False), ran.err
    ran = bridle(*FIT, "--l2", "0.1", "--no-embeddings", "--folds", "2")
    assert (ran.code, "--folds starts a search, but --l2" in ran.err) == (2, True)


def test_a_search_of_networks_that_share_weights_is_resumed(bridle, place, monkeypatch, tmp_path):
    monkeypatch.chdir(place)
    options = ("--folds", "2", "--configurations", "9", "--run", tmp_path / "run", "--json")
    first = json.loads(bridle(*FIT, *QUICK, *options, "--shared-members", "3").out)
    again = json.loads(bridle(*FIT, *QUICK, *options, "--resume").out)
    assert again["scores"] == first["scores"]
    refused = bridle(*FIT, *QUICK, *options, "--resume", "--shared-members", "2")
    assert (refused.code, "has 3 and keeps it" in refused.err) == (2, True)
