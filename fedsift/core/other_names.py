"""What options, values and commands are called elsewhere: by transformers, peft, trl, datasets, Flower, simulators.

Each other name, in lower case with underscores, has our name; behind a comma a difference may follow. Of several names,
separated by bars, the first that is valid where the name was given is meant.
"""

from collections.abc import Iterable

_OURS = {
    "lr": "learning_rate",
    "lr-schedule": "lr_scheduler_type lr_scheduler scheduler",
    "warmup-share": "warmup_ratio",
    "warmup-share, a share of the steps": "warmup_steps num_warmup_steps",
    "epochs": "num_train_epochs num_epochs n_epochs local_epochs epoch",
    "steps": "max_steps num_steps num_train_steps max_train_steps num_training_steps local_iterations",
    "beta1": "adam_beta1",
    "beta2": "adam_beta2",
    "batch-size": "per_device_train_batch_size per_gpu_train_batch_size train_batch_size local_batch_size bs",
    "micro-batch, the rows that run at once": "gradient_accumulation_steps micro_batch_size",
    "max-length": "max_seq_length max_seq_len seq_len seq_length sequence_length model_max_length cutoff_len",
    "model": "model_name_or_path pretrained_model_name_or_path model_name model_id model_path base_model",
    "dtype": "torch_dtype precision mixed_precision fp16",
    "dtype|bfloat16": "bf16 half",
    "float32": "fp32 float",
    "checkpointing": "gradient_checkpointing use_gradient_checkpointing activation_checkpointing",
    "compile": "torch_compile",
    "device": "device_map",
    "device, which is cpu, cuda or auto": "use_cpu no_cuda use_cuda",
    "cuda": "gpu",
    "workers": "num_workers n_workers num_cpus n_jobs num_proc dataloader_num_workers",
    "clients-per-gpu": "clients_per_device",
    "seed": "data_seed random_state random_seed",
    "out": "output_dir output out_dir save_dir save_path output_path",
    "track": "report_to log_with",
    "track, as in --track tensorboard": "tensorboard use_tensorboard",
    "track, as in --track wandb": "wandb use_wandb",
    "track, as in --track mlflow": "mlflow use_mlflow",
    "resume": "resume_from_checkpoint resume_from",
    "evaluate": "do_eval do_evaluate",
    "evaluate-every": "eval_steps eval_every evaluation_steps test_every",
    "evaluate-clients, a number of clients": "fraction_evaluate min_evaluate_clients",
    "generate": "predict_with_generate",
    "system": "system_prompt system_message",
    "chat, which takes the model's own template": "chat_template apply_chat_template",
    "tune": "trainable_parameters trainable_layers layers_to_train",
    "lora-rank": "r lora_r rank lora_dim",
    "choices": "candidate_labels labels label_names class_names",
    "choices, the labels themselves": "id2label num_labels num_classes",
    "target": "label_column target_column label_col output_column completion response_column",
    "prompt": "prompt_column input_column prompt_template template",
    "messages": "messages_column conversations",
    "dataset": "dataset_name dataset_path data_path path data_files train_file data_dir",
    "client-column": "client_id_column client_id user_column user_id partition_by group_by clients_column",
    "partition": "partitioner partition_method partitioning split_method",
    "alpha": "dirichlet_alpha dir_alpha concentration concentration_parameter",
    "test-share": "test_size test_split test_fraction validation_split val_size eval_size holdout",
    "clients": "num_clients n_clients num_supernodes num_partitions num_users total_clients num_nodes",
    "rounds": "num_rounds n_rounds num_server_rounds global_rounds communication_rounds comm_round",
    "sample": "fraction_fit fraction_train sample_ratio client_fraction participation_rate",
    "local-steps": "local_updates",
    "min-nodes": "min_available_clients min_available_nodes min_fit_clients min_train_nodes",
    "round-timeout": "timeout",
    "dropouts": "dropout_rate dropout_prob",
    "engine": "backend",
    "leave": "forget_clients forget_ids unlearn_clients remove_clients leavers",
    "leave-count": "num_leavers num_forget num_unlearn",
    "oracle": "retrain retrain_reference",
    "model-parameters": "num_parameters n_params",
    "language-modelling": "causal_lm seq2seq_lm text_generation language_modeling lm clm",
    "classification": "sequence_classification text_classification seq_cls seq_classification",
    "run": "simulate train simulation",
    "forget": "unlearn remove delete",
    "verify": "audit",
    "leave|optout": "opt_out",
}
OTHER_NAMES = {other: ours for ours, others in _OURS.items() for other in others.split()}


def plain(name: str) -> str:
    """A name as the table has it: --Learning-Rate is learning_rate."""
    return name.lstrip("-").replace("-", "_").lower()


def our_name(name: str, valid: Iterable[str]) -> tuple[str, str]:
    """What is called so elsewhere, as it is written among `valid`, and how it differs; two empty texts for nothing."""
    answers, _, difference = OTHER_NAMES.get(plain(name), "").partition(", ")
    written = {plain(each): each for each in valid}
    return next(((written[plain(each)], difference) for each in answers.split("|") if plain(each) in written), ("", ""))
