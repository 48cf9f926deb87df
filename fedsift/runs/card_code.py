"""The lines of a model card that predict what is served, without fedsift.

They are put together from what a run's task and model are, and do in torch what `fedsift.learning.blended_predictor`
and `fedsift.core.blend` do.
"""

from fedsift.configuration.run_config import RunConfig
from fedsift.learning.model_settings import CLASSIFICATION

_OPEN = """\
import json
import torch
from safetensors.torch import load_file
from transformers import {kind}, AutoTokenizer{peft_import}

folder = "."  # this one
tokenizer = AutoTokenizer.from_pretrained(folder)
{models}
"""
_HEAD = """\
head, info = load_file(f"{folder}/head.safetensors"), json.load(open(f"{folder}/head.json"))
share = info["blend"]["own"]

def scores(features):  # of the head: (decisions, d) -> (decisions, labels)
    z = torch.round(info["scale"] * torch.nn.functional.normalize(features.double(), dim=-1)) / info["scale"]
    return torch.cat([z, torch.full((len(z), 1), 0.5)], 1) @ head["weights"].double()
"""
_PRIOR = """\
counts = torch.tensor(info["label_counts"]).double()
prior = info["blend"]["prior"] * ((counts + 0.5) / (counts.sum() + len(counts) / 2)).log()
"""
_CUT = """\
def cut(ids, most):  # a text that is too long loses its middle
    return ids if len(ids) <= most else ids[: (most + 1) // 2] + ids[len(ids) - most // 2 :]
"""
_STATES = """\
def features(states):  # the last layers, each brought to the same size, side by side
    used = [each[0].float() for each in states[-info["layers"] :]]
    return torch.cat([each * each.square().mean(-1, keepdim=True).clamp_min(1e-12).rsqrt() for each in used], -1)
"""
_CAUSAL = """\
@torch.no_grad()
def run(model, prompt, target):  # token ids -> logits and hidden states where each token of the target is predicted
    out = model(input_ids=torch.tensor([prompt + target]), output_hidden_states=True)
    at = slice(len(prompt) - 1, len(prompt) - 1 + len(target))
    return out.logits[0, at].double(), [each[:, at] for each in out.hidden_states]
"""
_SEQ2SEQ = """\
@torch.no_grad()
def run(model, prompt, target):  # token ids -> logits and hidden states where each token of the target is predicted
    out = model(input_ids=torch.tensor([prompt]), labels=torch.tensor([target]), output_hidden_states=True)
    return out.logits[0].double(), out.decoder_hidden_states
"""
_TOKENS = """\
def log_probabilities(prompt, target):  # token ids -> of the vocabulary for each token of the target
    logits, states = run(base, prompt, target)
    said = scores(features(states))[:, torch.arange(logits.shape[1]) % info["label_count"]]
    known = logits.log_softmax(1)
    gain = said.clamp(0) / (info["floor"] * known.clamp(info["least_log"]).exp())
    shared = known + info["blend"]["ratio"] * gain.log1p() + info["blend"]["sharp"] * said.clamp(0)
    own = run(tuned, prompt, target)[0].log_softmax(1)
    return ((1 - share) * shared.log_softmax(1) + share * own).log_softmax(1)
"""
_OWN_TOKENS = """\
def log_probabilities(prompt, target):  # token ids -> of the vocabulary for each token of the target
    return run(tuned, prompt, target)[0].log_softmax(1)
"""
_TARGETS = """\
choices = {choices}
end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]

def targets(gap):  # token ids of each choice
    return [tokenizer({gap}choice, add_special_tokens=False).input_ids + end for choice in choices]
"""
_CHAT_TARGETS = """\
choices, first = {choices}, {first}  # first: what the system says

def turns(text, *answer):  # a chat in the model's own template
    said = [{{"role": "user", "content": text}}, *[{{"role": "assistant", "content": each}} for each in answer]]
    return tokenizer.apply_chat_template(first + said, tokenize=False, add_generation_prompt=not answer)

def ids(text):
    return tokenizer(text, add_special_tokens=False).input_ids

closing = turns("?", "an answer").rpartition("an answer")[2]
known = [each.content for each in tokenizer.added_tokens_decoder.values() if each.content in closing]
ends = [closing.find(each) + len(each) for each in known]
end = closing[: min(ends)] if ends else closing.rstrip() or tokenizer.eos_token

def targets(gap):  # token ids of each choice, with the end of its turn
    start = len(ids(turns("?")))
    return [ids(turns("?", choice).removesuffix(closing) + end)[start:] for choice in choices]
"""
_CHOICES = """\
def likelihoods(model, prompt, gap):  # of each choice's text after a prompt of token ids
    said = []
    for target in targets(gap):
        logits = run(model, cut(prompt, {most}), target)[0]
        said.append(logits.log_softmax(1)[range(len(target)), target].sum())
    return torch.stack(said).log_softmax(0)

def log_probabilities(text, gap=" "):  # of each of the choices; gap: the white space between prompt and choice
    prompt = {prompt}
"""
_SHARED_CHOICES = """\
    states = run(base, cut(prompt, {most}), [0])[1]
    shared = (info["sharpness"] * scores(features(states))[0] + likelihoods(base, prompt, gap)).log_softmax(0)
    return ((1 - share) * shared + share * likelihoods(tuned, prompt, gap) + prior).log_softmax(0)
"""
_OWN_CHOICES = """\
    return likelihoods(tuned, prompt, gap)
"""
_CLASSIFY = """\
classifier = load_file(f"{{folder}}/classifier.safetensors")["weight"]

@torch.no_grad()
def pooled(model, text):  # the mean of its tokens' last hidden states
    ids = torch.tensor([cut(tokenizer(text).input_ids, {most})])
    return model{encoder}(input_ids=ids).last_hidden_state.mean(1)

def log_probabilities(text):  # of each label
"""
_SHARED_CLASSES = """\
    text_of_base = pooled(base, text)
    known = (text_of_base @ classifier.T)[0].double().log_softmax(0) if info["base_answers"] else 0
    shared = (info["sharpness"] * scores(text_of_base.float())[0] + known).log_softmax(0)
    own = (pooled(tuned, text) @ classifier.T)[0].double().log_softmax(0)
    return ((1 - share) * shared + share * own + prior).log_softmax(0)
"""
_OWN_CLASSES = """\
    return (pooled(tuned, text) @ classifier.T)[0].double().log_softmax(0)
"""
_CUSTOM = """\
from safetensors.torch import load_file

folder = "."  # this one
tuned.load_state_dict(load_file(f"{folder}/model.safetensors"))  # tuned: a module as your task's model() makes it
"""
_CUSTOM_HEAD = """\
import json
import torch

base.load_state_dict(load_file(f"{folder}/base.safetensors"))  # base: another one
"""
_CUSTOM_LABELS = """\
def log_probabilities(features, logits, own):  # your task's features(base), logits(base), logits(tuned)
    said, known = scores(features), logits.double().log_softmax(1)
    if info["few_labels"]:
        shared = info["sharpness"] * said + (known if info["base_answers"] else 0)
    else:
        gain = said[:, torch.arange(known.shape[1]) % info["label_count"]].clamp(0)
        ratio = gain / (info["floor"] * known.clamp(info["least_log"]).exp())
        shared = known + info["blend"]["ratio"] * ratio.log1p() + info["blend"]["sharp"] * gain
    extra = prior if info["few_labels"] else 0
    return ((1 - share) * shared.log_softmax(1) + share * own.double().log_softmax(1) + extra).log_softmax(1)
"""


def card_code(config: RunConfig, is_encoder_decoder: bool, has_head: bool) -> str:
    """Python that defines what predicts as a client is served: `log_probabilities`.

    Of a task of one's own it goes on from the task's modules, and without a head only fills them.

    Args:
        config: of the run.
        is_encoder_decoder: of the model.
        has_head: whether the folder has a head.
    """
    if config.is_custom:
        return "\n".join([_CUSTOM, *[_CUSTOM_HEAD, _HEAD, _PRIOR, _CUSTOM_LABELS] * has_head])
    classifies = config.task == CLASSIFICATION
    kind = "AutoModel" if classifies else f"AutoModelFor{'Seq2SeqLM' if is_encoder_decoder else 'CausalLM'}"
    parts = [_opening(kind, bool(config.lora_rank), has_head)]
    if has_head:
        parts += [_HEAD]
        if config.choices:
            parts += [_PRIOR]
        if not classifies:
            parts += [_STATES]
    if classifies or config.choices:
        parts += [_CUT]
    if classifies:
        encoder = ".get_encoder()" if is_encoder_decoder else ""
        text = _CLASSIFY.format(most=config.max_length, encoder=encoder)
        return "\n".join([*parts, text + (_SHARED_CLASSES if has_head else _OWN_CLASSES)])
    parts += [_SEQ2SEQ if is_encoder_decoder else _CAUSAL]
    if not config.choices:
        return "\n".join([*parts, _TOKENS if has_head else _OWN_TOKENS])
    most = str(config.max_length) if is_encoder_decoder else f"{config.max_length} - max(map(len, targets(gap)))"
    gap = "" if is_encoder_decoder else "gap + "
    prompt = "tokenizer(text).input_ids"
    if config.chat:
        first = [{"role": "system", "content": config.system}] * bool(config.system)
        parts += [_CHAT_TARGETS.format(choices=list(config.choices), first=first)]
        prompt = "ids(turns(text))"
    else:
        parts += [_TARGETS.format(choices=list(config.choices), gap=gap)]
        if not is_encoder_decoder:
            prompt += "\n    prompt = prompt[:-1] if len(prompt) > 1 and prompt[-1:] == end else prompt"
    text = _CHOICES.format(most=most, prompt=prompt)
    if has_head:
        text += _SHARED_CHOICES.format(most=most)
    return "\n".join([*parts, text if has_head else text + _OWN_CHOICES])


def _opening(kind: str, lora: bool, has_head: bool) -> str:
    models = []
    if has_head or lora:
        models += [f'base = {kind}.from_pretrained(f"{{folder}}/base", dtype="auto").eval()']
    if lora:
        fresh = f'{kind}.from_pretrained(f"{{folder}}/base", dtype="auto")'
        models += [f"tuned = PeftModel.from_pretrained({fresh}, folder).eval()"]
    else:
        models += [f'tuned = {kind}.from_pretrained(folder, dtype="auto").eval()']
    peft_import = "\nfrom peft import PeftModel" if lora else ""
    return _OPEN.format(kind=kind, peft_import=peft_import, models="\n".join(models))
