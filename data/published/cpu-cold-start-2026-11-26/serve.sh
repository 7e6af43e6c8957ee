#!/usr/bin/env bash
# The command of this run, word for word.
set -euo pipefail

export DAY007_RUN_ID=cpu-cold-start
export SPT_NOENV=1
export VLLM_CACHE_ROOT=<project>/data/runs/cpu-cold-start/vllm-cache
export TORCHINDUCTOR_CACHE_DIR=<project>/data/runs/cpu-cold-start/vllm-cache/torchinductor
export TRITON_CACHE_DIR=<project>/data/runs/cpu-cold-start/vllm-cache/triton
export CUDA_CACHE_PATH=<project>/data/runs/cpu-cold-start/vllm-cache/cuda
export HF_HUB_OFFLINE=1
export VLLM_NO_USAGE_STATS=1
export DO_NOT_TRACK=1
export VLLM_CPU_KVCACHE_SPACE=1
export VLLM_CPU_OMP_THREADS_BIND=nobind
export OMP_NUM_THREADS=2

exec <project>/.venv-vllm/bin/vllm serve <project>/.cache/models/small-seed7 --dtype auto --max-model-len 4096 --port 8000 --host 127.0.0.1 --served-model-name synthetic:small --enable-prompt-tokens-details --enable-per-request-metrics
