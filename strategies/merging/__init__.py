"""Merges of plain fine-tunings, to compare with: what a server keeps of task vectors, and what a member is served.

| module            | method                             | removal                                                |
| ----------------- | ---------------------------------- | ------------------------------------------------------ |
| `fine_tune_merge` | FT + Merge, the mean               | exact: subtract the leaver's task vector               |
| `ties`            | TIES-merging                       | merge the others anew                                  |
| `tall_masks`      | TALL-masks                         | the sum is exact, but each mask depends on it          |
| `consensus_count` | consensus merging, over TALL-masks | merge the others anew: it counts those masks           |
| `emr`             | EMR-merging                        | merge the others anew: a maximum has no inverse        |
| `negation`        | task negation, NegMerge, MSA       | approximate                                            |

A merger sees the task vectors one at a time and keeps a few vectors, however many came. Its sums and counts are
integers and its maxima are exact, so any order of arrival gives the same bits. `merged` is zero without members. A
member's mask needs its own task vector, which only the member has, so masks are functions that the member runs.
"""
