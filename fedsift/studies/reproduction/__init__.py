"""Experiments of arXiv 2504.04626, and others, made again: `fedsift reproduce`.

experiment.py   what an experiment is; registry.py   which there are
reproduce.py    measures one, and writes its numbers and its figure
merges.py       what a federation would serve, from the cache's trainings
further_clients.py   clients of the data that take no part
figure_style.py   how figures look
the others      one experiment each
"""
