"""What `apptainer` does for Snakemake, done by Enroot or Pyxis: `--version`, `pull` and `exec`.

It runs before every command of a rule with a container, so it needs nothing but a few modules of the standard library, and of this
package nothing outside this folder: the program imports it under the name `front`.
No value becomes shell syntax on the way: everything is handed on as words of an argument list or as variables.
Settings are variables: HPCC_CONTAINER_RUNTIME (enroot or pyxis), HPCC_CONTAINER_MOUNTS (a JSON list of SRC[:DST[:ro]]),
HPCC_PYTHON (what runs the pull), HPCC_STEP_ARGS (a JSON list of further options of srun).
Source: enroot(1) 4.1, srun(1) of Pyxis 0.24, apptainer exec(1) 1.3.
"""
