"""Programs that answer like those of a node with GPUs, to be put on the PATH of a job."""

from __future__ import annotations

import textwrap
from pathlib import Path

NVIDIA_SMI = """
    #!/bin/bash
    # Two GPUs of this node; GPU 1 gets lost when the file says so, and everything hangs when the other one does.
    here=$(cd "$(dirname "$0")" && pwd)
    node=${SLURMD_NODENAME:-local}
    echo "$node $*" >> "$here/asked.$node"
    [[ ! -e $here/hangs ]] || exec sleep 1000
    uuid() { echo "GPU-$1-$node"; }
    card="NVIDIA A100-SXM4-80GB"
    case "$*" in
      --query-gpu=*)
        echo "0, $(uuid 0), $card, 97, 41, 76543, 81920, 389.12, 400.00, 64, 1410, 0x0000000000000004, 0, 0, Disabled"
        if [[ -e $here/lost ]]; then
          echo "Unable to determine the device handle for GPU 0000:41:00.0: GPU is lost.  Reboot the system to recover this GPU"
          exit 15
        fi
        echo "1, $(uuid 1), $card, [N/A], [N/A], 4, 81920, [Not Supported], ERR!, 31, 210, 0x0000000000000001, 0, 0, Disabled"
        ;;
      --query-remapped-rows=*) for gpu in 0 1; do echo "$(uuid "$gpu"), 0, 0, No, No"; done ;;
      --query-compute-apps=*)
        for pid in $(cat "$here/pids.$node" 2>/dev/null); do
          ! kill -0 "$pid" || echo "$(uuid 0), $pid, python, 512"
        done 2>/dev/null
        ;;
      "topo -m") echo "GPU0 X NV12" ;;
      -q) echo "Attached GPUs : 2" ;;
      *) echo "Invalid combination of input arguments."; exit 2 ;;
    esac
"""


def put_nvidia_smi(folder: Path) -> Path:
    """The folder, with an nvidia-smi in it."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "nvidia-smi"
    program.write_text(textwrap.dedent(NVIDIA_SMI).lstrip())
    program.chmod(0o755)
    return folder
