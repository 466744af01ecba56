"""A round's other steps: first state, checking, averaging, the outer step. All on the CPU.

They are elementwise and take a fraction of a batch's time; results are the same on any device.
"""

from aliad.compute.process.child.progress import Watch
from aliad.compute.process.child.specs import model_config, round_recipe
from aliad.compute.process.child.states import (
    load_parameters,
    load_state,
    load_update,
    no_residual,
    save_parameters,
    save_state,
    save_update,
)
from aliad.compute.process.child.tensorfiles import TensorFiles
from aliad.compute.process.replies import MeanMade, ParametersMade, StateMade, UpdateChecked
from aliad.compute.process.requests import (
    Aggregate,
    ApplyUpdate,
    CheckState,
    CheckUpdate,
    ExportParameters,
    MakeState,
)
from aliad.compute.rounds import (
    JobState,
    aggregate,
    apply_update,
    initial_job_state,
    update_digest,
)


def make_state(files: TensorFiles, request: MakeState) -> StateMade:
    """Store a job's first state. Raises InputError."""
    return _stored(files, initial_job_state(model_config(request.model), request.seed))


def check_state(files: TensorFiles, request: CheckState) -> StateMade:
    """Raises InputError or NotFinite unless the file is a state of such a model."""
    state = load_state(files, request.state, model_config(request.model))
    return StateMade(request.state, state.digest(), state.rounds)


def check_update(files: TensorFiles, request: CheckUpdate) -> UpdateChecked:
    """Raises InputError or NotFinite unless the update can be used."""
    update = load_update(files, request.update, model_config(request.model))
    return UpdateChecked(update_digest(update))


def mean_update(files: TensorFiles, request: Aggregate, watch: Watch) -> MeanMade:
    """Store mean and residual. Raises InputError, NotFinite, Cancelled (between files)."""
    config = model_config(request.model)
    watch.total = len(request.updates)
    updates = []
    for digest in request.updates:
        watch.step()
        updates.append(load_update(files, digest, config))
    left = request.residual
    residual = no_residual(config) if left is None else load_parameters(files, left, config)
    mean, rest = aggregate(updates, residual)
    return MeanMade(
        save_update(files, mean), update_digest(mean), save_parameters(files, rest, config)
    )


def next_state(files: TensorFiles, request: ApplyUpdate) -> StateMade:
    """Store the state after the outer step. Raises InputError, NotFinite."""
    config, recipe = model_config(request.model), round_recipe(request.recipe)
    state = load_state(files, request.state, config)
    mean = load_update(files, request.update, config)
    return _stored(files, apply_update(state, recipe, mean))


def export_parameters(files: TensorFiles, request: ExportParameters) -> ParametersMade:
    """Store a state's parameters by themselves. Raises InputError, NotFinite."""
    config = model_config(request.model)
    state = load_state(files, request.state, config)
    return ParametersMade(save_parameters(files, state.parameters, config))


def _stored(files: TensorFiles, state: JobState) -> StateMade:
    return StateMade(save_state(files, state), state.digest(), state.rounds)
