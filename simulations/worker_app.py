"""The ClientApp of Ray's workers: ours, with what the compared methods ask of clients, and what is loaded before."""

from simulations.client_app import app
from simulations.comparison.client import add_handlers
from simulations.learner import prepare as prepare  # workers look for it beside the app

add_handlers(app)
