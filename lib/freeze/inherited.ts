/** The environment a server inherits -> table rows for the variables that can change what it does. */
import type { ConfigEntry } from '../archive/record.js';

/** Families that vLLM, torch, OpenMP, CUDA, NCCL or the loaders read. */
const relevant =
  /^(VLLM_|OMP_|KMP_|GOMP_|MKL_|TORCH|PYTORCH_|TRITON_|FLASHINFER_|HF_|TRANSFORMERS_|SAFETENSORS_|NCCL_|LD_PRELOAD$|PYTHONPATH$|NVIDIA_VISIBLE_DEVICES$|CUDA_(VISIBLE_DEVICES|DEVICE_ORDER|MODULE_LOADING|LAUNCH_BLOCKING|CACHE_|FORCE_PTX_JIT))/;
const secret = /KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL/i;

/** One row per inherited variable that matters and that the run does not set itself. Secrets are named, never shown. */
export function describeInherited(
  inherited: Readonly<Record<string, string | undefined>>,
  set: Readonly<Record<string, string>>,
): ConfigEntry[] {
  return Object.keys(inherited)
    .filter((name) => relevant.test(name) && (inherited[name] ?? '') !== '' && !(name in set))
    .sort()
    .map((name) => ({
      field: name,
      value: secret.test(name) ? '(set, not shown)' : (inherited[name] ?? ''),
      source: 'environment' as const,
      seedValue: 'not set',
      why: 'inherited from the shell that started this',
    }));
}
