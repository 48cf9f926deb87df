"""Attacks that judge a removal: what can still be told, from a model or from a state, of a client that left.

| module           | attack                                        | it sees                                       |
| ---------------- | --------------------------------------------- | --------------------------------------------- |
| `loss_threshold` | membership by the loss alone                  | a model's losses                              |
| `lira`           | membership, likelihood ratio of each example  | and those of reference models                 |
| `rmia`           | membership, ratio to a population             | and those of reference models, even of one    |
| `canary`         | exposure of a planted secret                  | a model's losses of the secret and its rivals |
| `difference`     | state before minus state after                | the server's sums                             |
| `relearning`     | steps until what was removed is back          | scores while a model is tuned again           |

`roc` sums up the scores of a membership attack. An attack that succeeds says little by itself: a removal is judged by
the same attack on a run which the client never joined. Of the membership attacks the two that look at each example
against models that had it or not are the ones to trust; a threshold for the whole population overstates the protection
(arXiv 2403.01218).
"""
