"""MIG devices: parts of one GPU that `nvidia-smi --query-gpu` does not know.

Source: nvidia-smi(1), -L and -q -x; nvsmi_device_v12.dtd.
"""

import re
from typing import Dict, List, Optional, Tuple
from xml.etree import ElementTree as ET

from compose_core.sampler.reading import gpu_row
from compose_core.sampler.values import number, words
from compose_core.supervisor.files import Json

MIG_LISTING_ARGV = ["nvidia-smi", "-L"]
MIG_XML_ARGV = ["nvidia-smi", "-q", "-x"]
GPU_LINE = re.compile(r"GPU ([0-9]+):")
MIG_LINE = re.compile(r"\s+MIG (\S+)\s+Device\s+([0-9]+): \(UUID: (MIG-[^)]+)\)")


def mig_listing(output: str) -> Dict[Tuple[int, int], Json]:
    """Profile and uuid of each MIG device, by the index of its GPU and its own."""
    found: Dict[Tuple[int, int], Json] = {}
    gpu: Optional[int] = None
    for line in output.splitlines():
        head, device = GPU_LINE.match(line), MIG_LINE.match(line)
        if head is not None:
            gpu = int(head.group(1))
        elif device is not None and gpu is not None:
            found[gpu, int(device.group(2))] = {"mig_profile": device.group(1), "uuid": device.group(3)}
    return found


def mig_rows(xml: str, gpus: List[Json], names: Dict[Tuple[int, int], Json]) -> List[Json]:
    """A row for each MIG device of these GPUs; how busy one is, nvidia-smi does not tell."""
    try:
        root = ET.fromstring(xml)  # noqa: S314 - the text is the driver's own
    except ET.ParseError:
        return []
    parents = {row["uuid"]: row for row in gpus}
    rows = []
    for gpu in root.findall("gpu"):
        parent = parents.get(words(gpu.findtext("uuid")))
        if parent is None:
            continue
        for device in gpu.findall("mig_devices/mig_device"):
            index = number(device.findtext("index"))
            row = gpu_row(
                index=parent["index"],
                name=parent["name"],
                parent_uuid=parent["uuid"],
                mig=True,
                mig_device=index,
                uuid=words(device.findtext("uuid")),
                memory_used_mib=number(device.findtext("fb_memory_usage/used")),
                memory_total_mib=number(device.findtext("fb_memory_usage/total")),
            )
            row.update(names.get((parent["index"], index), {}))
            rows.append(row)
    return rows
