"""Parameters of the search that tests start from: the paper's exact codes, and near mode without its further parts."""

from pipeline.dedup.search.pair_search import PairSearchConfig

EXACT = PairSearchConfig(
    mode="exact",
    radius=0,
    score=0.0,
    near_miss_margin=0.0,
    mirrored="list",
    compare_side=32,
    local_features=False,
    neighbours=0,
    max_candidates=1,
)

NEAR = EXACT.model_copy(
    update={"mode": "near", "radius": 15, "score": 3.0, "near_miss_margin": 3.0, "max_candidates": 100_000}
)
