from strategies.pooled_training import stage_steps


def test_one_stage_takes_every_clients_steps_up_to_the_most() -> None:
    """The paper: 20 steps a client, and up to 800."""
    assert [stage_steps(20, clients, 0, 1) for clients in (1, 10, 40, 500)] == [20, 200, 800, 800]


def test_stages_cost_as_much_as_one() -> None:
    """R = 4: a = 8, so each has 8 of 20 epochs; 8/20 of 20 steps for each of 2, 4, 6 and 8 clients."""
    steps = [stage_steps(20, clients, stage, 4) for stage, clients in enumerate((2, 4, 6, 8))]
    assert steps == [16, 32, 48, 64]
    assert sum(steps) == stage_steps(20, 8, 0, 1)


def test_the_most_is_shared_out() -> None:
    """The most is shared out in the same way: a quarter of 800 for the first of four."""
    assert stage_steps(20, 500, 0, 4) == round(800 / 4 * 8 / 20)
