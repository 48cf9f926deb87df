"""The lines of a model card that predict what is served, without fedsift.

They are put together from what a run's task and model are, and do in torch what `fedsift.learning.blended_predictor`
and `fedsift.core.blend` do.
"""

from fedsift.configuration.run_config import RunConfig
from fedsift.data.template import Template
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
_PROMPT = """\
def prompt_of(row):  # a prompt as in training; to predict: {target}
    return {prompt}
"""
_PLAIN = """\
def encoded(text):  # a prompt as token ids, without the end that some tokenizers add
    ids = tokenizer(text).input_ids
    return ids[:-1] if len(ids) > 1 and ids[-1] == tokenizer.eos_token_id else ids
"""
_CLOSED = """\
def encoded(text):  # a prompt as token ids
    return tokenizer(text).input_ids
"""
_CHAT = """\
def encoded(text):  # a prompt as token ids: the user's turn in the model's own template
    turns = {first} + [{{"role": "user", "content": text}}]
    said = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    return tokenizer(said, add_special_tokens=False).input_ids
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

def log_probabilities(text, gap="{gap}"):  # of each of the choices; gap: the white space between prompt and choice
    prompt = encoded(text)
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
choices = {choices}  # the labels, in this order
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
_ANSWERED = """\
for label, each in zip(choices, log_probabilities({text}).exp().tolist()):
    print(f"{{each:.3f}}  {{label}}")
"""
_GENERATED = """\
prompt, said = encoded({text}), []
while len(said) < 16 and tokenizer.eos_token_id not in said:  # the likeliest tokens, one after the other
    said.append(int(log_probabilities(prompt, [*said, 0])[-1].argmax()))
print(tokenizer.decode(said))
"""
_CUSTOM = """\
import torch
from safetensors.torch import load_file
from {module} import {name}

folder = "."  # this one
task = {name}()
tuned = task.model().eval()
tuned.load_state_dict(load_file(f"{{folder}}/model.safetensors"))
"""
_CUSTOM_BASE = """\
base = task.model().eval()
base.load_state_dict(load_file(f"{folder}/base.safetensors"))
"""
_CUSTOM_SCORES = """\
@torch.no_grad()
def scores(rows):  # the task's metric of each row
    return task.scores(tuned, task.score_batch([task.encode(row) for row in rows]))

# Call scores([...]) with rows as in your data.
"""
_CUSTOM_LABELS = """\
@torch.no_grad()
def log_probabilities(rows):  # (decisions, labels), the labels from 0 on as the task's targets() counts them
    encoded = [task.encode(row) for row in rows]
    batch, score_batch = task.batch(encoded), task.score_batch(encoded)
    said, known = scores(task.features(base, batch)), task.logits(base, score_batch).double().log_softmax(1)
    own = task.logits(tuned, score_batch)
    if info["few_labels"]:
        shared = info["sharpness"] * said + (known if info["base_answers"] else 0)
    else:
        gain = said[:, torch.arange(known.shape[1]) % info["label_count"]].clamp(0)
        ratio = gain / (info["floor"] * known.clamp(info["least_log"]).exp())
        shared = known + info["blend"]["ratio"] * ratio.log1p() + info["blend"]["sharp"] * gain
    extra = prior if info["few_labels"] else 0
    return ((1 - share) * shared.log_softmax(1) + share * own.double().log_softmax(1) + extra).log_softmax(1)

# Call log_probabilities([...]) with rows as in your data.
"""


def card_code(config: RunConfig, template: Template | None, is_encoder_decoder: bool, has_head: bool) -> str:
    """Python that predicts as a client is served: it defines `log_probabilities`, and calls it.

    Of a task of one's own it makes the task's modules, and without a head only scores rows.

    Args:
        config: of the run.
        template: what makes prompts; None where rows come with their prompts.
        is_encoder_decoder: of the model.
        has_head: whether the folder has a head.
    """
    if config.is_custom:
        module, _, name = config.task.partition(":")
        custom = _CUSTOM.format(module=module, name=name)
        further = [_CUSTOM_BASE, _HEAD, _PRIOR, _CUSTOM_LABELS] if has_head else [_CUSTOM_SCORES]
        return "\n".join(["import json\n" * has_head + custom, *further])
    classifies = config.task == CLASSIFICATION
    kind = "AutoModel" if classifies else f"AutoModelFor{'Seq2SeqLM' if is_encoder_decoder else 'CausalLM'}"
    parts = [_opening(kind, bool(config.lora_rank), has_head)]
    if has_head:
        parts += [_HEAD]
        if config.choices:
            parts += [_PRIOR]
        if not classifies:
            parts += [_STATES]
    prompt, text = _prompt(template)
    parts += prompt
    if classifies:
        parts += [_CUT, _classifier(config, is_encoder_decoder, has_head)]
    else:
        run = _SEQ2SEQ if is_encoder_decoder else _CAUSAL
        parts += [*[_CUT] * bool(config.choices), run, _encoded(config, is_encoder_decoder)]
        if config.choices:
            parts += _choices(config, "" if template and not template.gap else " ", is_encoder_decoder, has_head)
        else:
            parts += [_TOKENS if has_head else _OWN_TOKENS]
    return "\n".join([*parts, (_ANSWERED if config.choices else _GENERATED).format(text=text)])


def _prompt(template: Template | None) -> tuple[list[str], str]:
    """What defines how a prompt is made of a row, and an expression for one prompt."""
    if template is None:
        return [], '"a prompt as in your rows"'
    expression = " + ".join(f"row[{text!r}]" if is_column else repr(text) for text, is_column in template.parts)
    row = {text: "..." for text, is_column in template.parts if is_column}
    return [_PROMPT.format(target=repr(template.target), prompt=expression)], f"prompt_of({row})"


def _classifier(config: RunConfig, is_encoder_decoder: bool, has_head: bool) -> str:
    choices = 'info["labels"]' if has_head else repr(list(config.choices))
    encoder = ".get_encoder()" if is_encoder_decoder else ""
    defined = _CLASSIFY.format(choices=choices, most=config.max_length, encoder=encoder)
    return defined + (_SHARED_CLASSES if has_head else _OWN_CLASSES)


def _encoded(config: RunConfig, is_encoder_decoder: bool) -> str:
    if config.chat:
        return _CHAT.format(first=_first(config))
    return _CLOSED if is_encoder_decoder else _PLAIN


def _first(config: RunConfig) -> list[dict[str, str]]:
    """How a chat begins."""
    return [{"role": "system", "content": config.system}] * bool(config.system)


def _choices(config: RunConfig, gap: str, is_encoder_decoder: bool, has_head: bool) -> list[str]:
    most = str(config.max_length) if is_encoder_decoder else f"{config.max_length} - max(map(len, targets(gap)))"
    if config.chat:
        targets = _CHAT_TARGETS.format(choices=list(config.choices), first=_first(config))
    else:
        targets = _TARGETS.format(choices=list(config.choices), gap="" if is_encoder_decoder else "gap + ")
    answers = _SHARED_CHOICES.format(most=most) if has_head else _OWN_CHOICES
    return [targets, _CHOICES.format(most=most, gap=gap) + answers]


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
