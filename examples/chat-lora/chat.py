"""Asks an exported adapter, with transformers and peft alone: `python chat.py ADAPTER "a question" ...`."""

import sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

folder, *questions = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(folder)
base = AutoModelForCausalLM.from_pretrained(f"{folder}/base", dtype="auto")
model = PeftModel.from_pretrained(base, folder).eval()

for question in questions:
    turns = [{"role": "user", "content": question}]
    prompt = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    with torch.no_grad():
        said = model.generate(**prompt, max_new_tokens=24, do_sample=False)
    answer = tokenizer.decode(said[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True)
    print(f"{question}\n  {answer.strip()}")
