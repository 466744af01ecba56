"""A job's recipe as the engine takes it."""

from aliad.compute.rounds import RoundRecipe
from aliad.compute.schedule import Schedule
from aliad.spec.recipe import Recipe


def round_recipe(recipe: Recipe) -> RoundRecipe:
    """The same numbers."""
    return RoundRecipe(
        Schedule(recipe.peak, recipe.warmup, recipe.steps, recipe.floor),
        clip=recipe.clip,
        beta2=recipe.beta2,
        eps=recipe.eps,
        outer_rate=recipe.outer_rate,
        outer_momentum=recipe.outer_momentum,
    )
