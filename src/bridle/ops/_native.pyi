"""Types of the compiled module; native/module.cpp documents the arguments."""

def variants() -> list[str]: ...
def use(name: str, /) -> bool: ...
def active() -> str: ...
def dropout(*arguments: int) -> None: ...
def relu_backward(*arguments: int) -> None: ...
def prox(*arguments: float) -> None: ...
def adam(*arguments: int) -> None: ...
def max_norm(*arguments: int) -> None: ...
def masked_forward(*arguments: int) -> None: ...
def draw_words(*arguments: int) -> None: ...
def masked_backward(*arguments: int) -> None: ...
def take_blocks(*arguments: int) -> None: ...
def multiplies() -> bool: ...
def multiply(
    dtype: int,
    sizes: list[int],
    a: int,
    a_row: int,
    a_term: int,
    b: int,
    b_term: int,
    b_column: int,
    out: int,
    /,
) -> None: ...
def activate(dtype: int, activation: int, count: int, x: int, bias: int, /) -> None: ...
def population_steps(
    members: int,
    folds: int,
    steps: int,
    batch: int,
    first_step: int,
    sizes: list[int],
    states: list[list[int]],
    classes: int,
    data: list[int],
    shared: int,
    threads: int,
    embedding: list[int],
    blocks: list[list[int]],
    binned: int,
    codes: list[int],
    /,
) -> None: ...
def population_outputs(
    members: int,
    folds: int,
    count: int,
    batch: int,
    sizes: list[int],
    values: list[int],
    data: list[int],
    threads: int,
    embedding: list[int],
    blocks: list[list[int]],
    binned: int,
    codes: list[int],
    /,
) -> None: ...
def embed_rows(
    members: int, shape: list[int], parameters: list[int], x: int, threads: int, /
) -> None: ...
def perceptron_steps(
    dtype: int,
    sizes: list[int],
    activation: int,
    loss: int,
    solver: int,
    flags: bool,
    epochs: int,
    rows: int,
    batch: int,
    first_step: int,
    seed: int,
    data: list[int],
    numbers: list[float],
    threads: int,
    /,
) -> int: ...
def keep_bits(
    seed: int, stream: int, step: int, row: int, group: int, groups: int, threshold: int, /
) -> list[bool]: ...
