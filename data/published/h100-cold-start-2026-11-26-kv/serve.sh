#!/usr/bin/env bash
# The command of this run, word for word.
set -euo pipefail

export DAY007_RUN_ID=h100-cold-start-kv
export SPT_NOENV=1
export VLLM_CACHE_ROOT=<path>/vllm-cache
export TORCHINDUCTOR_CACHE_DIR=<path>/torchinductor
export TRITON_CACHE_DIR=<path>/triton
export CUDA_CACHE_PATH=<path>/cuda
export HF_HUB_OFFLINE=1
export VLLM_NO_USAGE_STATS=1
export DO_NOT_TRACK=1
export VLLM_USE_FLASHINFER_SAMPLER=0

exec <path>/vllm serve <path>/qwen2.5-1.5b-seed7 --dtype auto --max-model-len 4096 --gpu-memory-utilization 0.92 --port 8000 --host 127.0.0.1 --served-model-name synthetic:qwen2.5-1.5b --enable-prompt-tokens-details --enable-per-request-metrics
