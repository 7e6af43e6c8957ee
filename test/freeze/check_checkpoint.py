"""Loads a synthetic model with the libraries a server uses, and prints what they make of it as one JSON object.

Usage: check_checkpoint.py FOLDER TEXT...  The texts are encoded; "generate" follows only where torch is installed.
"""
import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from safetensors import safe_open
from transformers import AutoConfig, AutoTokenizer

folder, texts = sys.argv[1], sys.argv[2:]
config = AutoConfig.from_pretrained(folder)
tokenizer = AutoTokenizer.from_pretrained(folder)
ids = list(range(config.vocab_size))
decoded = tokenizer.batch_decode([[i] for i in ids], skip_special_tokens=False)
special = set(tokenizer.all_special_ids)
fillers = [decoded[i] for i in ids if i >= 256 and i not in special]
turns = [{"role": "user", "content": "Hi"}]
report = {
    "architecture": config.architectures[0],
    "dtype": str(config.dtype).replace("torch.", ""),
    "ropeTheta": (getattr(config, "rope_parameters", None) or {}).get("rope_theta", getattr(config, "rope_theta", None)),
    "tokenizerClass": type(tokenizer).__name__,
    "length": len(tokenizer),
    "largestId": max(tokenizer.get_vocab().values()),
    "eosId": tokenizer.eos_token_id,
    "fillers": len(fillers),
    "distinctFillers": len(set(fillers)),
    "unprintableFillers": sum(1 for text in fillers if not text.strip() or not text.isprintable()),
    "printableBytes": [i for i in range(256) if decoded[i].isprintable() and decoded[i] != "\ufffd"],
    "encoded": [tokenizer(text)["input_ids"] for text in texts],
    "roundTrips": [tokenizer.decode(tokenizer(text)["input_ids"]) == text for text in texts],
    "chat": tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False),
}
with safe_open(os.path.join(folder, "model.safetensors"), "np") as weights:
    report["metadata"] = weights.metadata()
    report["tensors"] = {k: [weights.get_slice(k).get_dtype(), weights.get_slice(k).get_shape()] for k in weights.keys()}
try:
    import torch
except ImportError:
    torch = None
if torch is not None and config.hidden_size <= 128:
    from transformers import AutoModelForCausalLM

    model, loading = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    report["missing"] = sorted(loading["missing_keys"])
    report["unexpected"] = sorted(loading["unexpected_keys"])
    report["parameters"] = model.num_parameters()
    prompt = tokenizer("Once", return_tensors="pt")
    out = model.generate(**prompt, max_new_tokens=8, min_new_tokens=8, do_sample=False)
    report["generated"] = out[0, prompt["input_ids"].shape[1]:].tolist()
    report["finiteLogits"] = bool(torch.isfinite(model(**prompt).logits).all())
print(json.dumps(report))
