"""Squares a hundred numbers on whichever node has time."""

import ray

ray.init()


@ray.remote
def square(number: int) -> int:
    """One task."""
    return number * number


print(sum(ray.get([square.remote(number) for number in range(100)])))
