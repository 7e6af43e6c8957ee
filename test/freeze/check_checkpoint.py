"""Loads synthetic model folders with the libraries a server uses, and prints what they make of them: one JSON object.

Standard input: {"folders": [...], "texts": [...]}. Weights are opened where a folder has them. With torch, the model is
built without memory to compare its tensors, and a small one with weights generates a few tokens.
"""
import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from safetensors import safe_open
from transformers import AutoConfig, AutoTokenizer

try:
    import torch
    from transformers import AutoModelForCausalLM
except ImportError:
    torch = None


def check_tokenizer(folder, config, texts):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    decoded = tokenizer.batch_decode([[i] for i in range(config.vocab_size)], skip_special_tokens=False)
    special = set(tokenizer.all_special_ids)
    fillers = [text for i, text in enumerate(decoded) if i >= 256 and text not in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")]
    ids = [tokenizer(text)["input_ids"] for text in texts]
    return {
        "entries": len(tokenizer),
        "largestId": max(tokenizer.get_vocab().values()),
        "eosId": tokenizer.eos_token_id,
        "padId": tokenizer.pad_token_id,
        "eosIsSpecial": tokenizer.eos_token_id in special,
        "fillers": len(fillers),
        "distinctFillers": len(set(fillers)),
        "unprintableFillers": sum(1 for text in fillers if not text.strip() or not text.isprintable()),
        "printableBytes": [i for i in range(256) if decoded[i].isprintable() and decoded[i] != "\ufffd"],
        "encoded": ids,
        "decoded": [tokenizer.decode(i) for i in ids],
        "chat": tokenizer.apply_chat_template(
            [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}], add_generation_prompt=True, tokenize=False
        ),
        "chatIds": list(tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=True, return_dict=False)),
    }


def check_weights(file):
    with safe_open(file, "np") as weights:
        slices = {name: weights.get_slice(name) for name in weights.keys()}
        return {
            "metadata": weights.metadata(),
            "tensors": {name: [part.get_dtype(), list(part.get_shape())] for name, part in slices.items()},
        }


def expected_tensors(config):
    """Names and shapes of what the model class saves; a tied output head is not stored."""
    with torch.device("meta"):
        state = AutoModelForCausalLM.from_config(config).state_dict()
    return {name: list(t.shape) for name, t in state.items() if not (config.tie_word_embeddings and name == "lm_head.weight")}


def generate(folder):
    model, loading = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    prompt = torch.tensor([list(b"Once upon a time")])
    out = model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=8, min_new_tokens=8, do_sample=False)
    return {
        "missing": sorted(loading["missing_keys"]),
        "unexpected": sorted(loading["unexpected_keys"]),
        "parameters": model.num_parameters(),
        "dtype": str(model.dtype),
        "tokens": out.shape[1] - prompt.shape[1],
        "finite": bool(torch.isfinite(model(prompt).logits).all()),
    }


def check(folder, texts):
    config = AutoConfig.from_pretrained(folder)
    rope = getattr(config, "rope_parameters", None) or {}
    report = {
        "architecture": config.architectures[0],
        "dtype": str(config.dtype).replace("torch.", ""),
        "ropeTheta": rope.get("rope_theta", getattr(config, "rope_theta", None)),
        "tokenizer": check_tokenizer(folder, config, texts),
    }
    weights = os.path.join(folder, "model.safetensors")
    has_weights = os.path.exists(weights)
    if has_weights:
        report["weights"] = check_weights(weights)
    if torch is not None:
        report["expectedTensors"] = expected_tensors(config)
        if has_weights and config.hidden_size <= 128:
            report["generation"] = generate(folder)
    return report


asked = json.load(sys.stdin)
print(json.dumps([check(folder, asked["texts"]) for folder in asked["folders"]]))
