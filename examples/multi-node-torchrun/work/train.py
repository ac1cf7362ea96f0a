"""Every rank adds its number to a sum: the smallest program that needs all of them."""

import os

import torch
import torch.distributed as distributed

distributed.init_process_group("nccl")
torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
number = torch.tensor([float(distributed.get_rank())], device="cuda")
distributed.all_reduce(number)
if distributed.get_rank() == 0:
    print(f"the sum over {distributed.get_world_size()} ranks is {number.item():.0f}")
distributed.destroy_process_group()
