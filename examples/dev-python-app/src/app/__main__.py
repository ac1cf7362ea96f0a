"""Greets whoever is named."""

import click


@click.command()
@click.option("--name", default="cluster")
def main(name: str) -> None:
    """Say hello."""
    click.echo(f"hello, {name}")


main()
