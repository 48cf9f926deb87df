"""Makes the folder model/: a tiny Llama, a tokenizer and a chat template.

It is there so that the example needs no network. It has seen chats of other offices, a new one at each step, so it
knows how such a chat goes, and no answer. Use a real model for real work: see README.md.
"""

import sys

import torch
from make_chats import other_office
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
STEPS = 150
EXTRA = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>"}


def make_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer of 700 tokens, in which any text can be written."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, chat_template=CHATML, **EXTRA)


def make_model(tokens: int) -> LlamaForCausalLM:
    """Two layers of width 64; embeddings far enough apart that hidden states tell words from each other."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=tokens,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=256,
        initializer_range=0.125,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    model = LlamaForCausalLM(config)
    torch.nn.init.normal_(model.get_input_embeddings().weight, std=0.5)
    return model


def pretrain(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Next-token prediction over whole chats, one office a step."""
    torch.set_num_threads(1)  # it is too small for more
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=STEPS)
    for step in range(1, STEPS + 1):
        talks = [row["talk"] for row in other_office(seed=step)]
        texts = tokenizer.apply_chat_template(talks, tokenize=False)
        batch = tokenizer(texts, padding=True, return_tensors="pt")
        labels = batch.input_ids.masked_fill(batch.attention_mask == 0, -100)
        loss = model(**batch, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            print(f"step {step}  loss {loss.item():.3f}", flush=True)


if __name__ == "__main__":
    talks = [row["talk"] for office in range(1, 20) for row in other_office(office)]
    tokenizer = make_tokenizer([turn["content"] for talk in talks for turn in talk])
    model = make_model(len(tokenizer))
    pretrain(model, tokenizer)
    tokenizer.save_pretrained(sys.argv[1])
    model.save_pretrained(sys.argv[1])
