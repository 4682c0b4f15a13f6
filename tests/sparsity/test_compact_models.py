"""Models of transformers and timm, built from their configurations with random weights."""

import pytest
import torch
from compaction_helpers import check, kill, randomized, silence, units
from torch import nn

TOKENS = torch.arange(12).view(2, 6)


def bert(**options):
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=13,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=24,
        max_position_embeddings=8,
        **options,
    )
    return randomized(transformers.BertForSequenceClassification(config))


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_bert(attention):
    model = bert(attn_implementation=attention)
    first, second = model.bert.encoder.layer
    kill(first.attention.output.dense, outgoing_of=range(8))
    kill(second.attention.self.value, incoming_of=range(4, 8))  # its bias is folded
    kill(second.output.dense, outgoing_of=range(20))
    mask = torch.ones(2, 6, dtype=torch.long)
    mask[1, 4:] = 0
    compacted = check(model, (TOKENS, mask))
    found = units(compacted)
    assert found["bert.encoder.layer.0.attention.self"] == 2
    assert found["bert.encoder.layer.1.attention.self"] == 3
    assert found["bert.encoder.layer.1.intermediate.dense"] == 4
    assert found["bert.encoder.layer.0.attention.self.query"] == 8
    small = compacted.model.bert.encoder.layer[0].attention.self
    assert (small.num_attention_heads, small.all_head_size) == (2, 8)
    assert model.config.num_attention_heads == 4


def test_bert_loses_width():
    model = bert()
    embeddings = model.bert.embeddings
    norms = [embeddings.LayerNorm]
    with torch.no_grad():
        for table in ("word", "position", "token_type"):
            getattr(embeddings, f"{table}_embeddings").weight[:, :4] = 0
        for layer in model.bert.encoder.layer:
            for part in (layer.attention.output, layer.output):
                silence([part.dense], range(4))
                norms.append(part.LayerNorm)
        for norm in norms:
            norm.weight[:4], norm.bias[:4] = 0, 0
    compacted = check(model, TOKENS)
    found = units(compacted)
    assert found["bert.embeddings.word_embeddings"] == 12
    assert found["bert.encoder.layer.1.output.dense"] == 12
    assert found["bert.pooler.dense"] == 16


def llama(**options):
    transformers = pytest.importorskip("transformers")
    config = transformers.LlamaConfig(
        vocab_size=13,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=8,
        num_key_value_heads=4,
        head_dim=4,
        intermediate_size=24,
        max_position_embeddings=8,
        pad_token_id=0,
        **options,
    )
    return randomized(transformers.LlamaForCausalLM(config), dtype=torch.float32)


def kill_heads(attention, *heads):
    for head in heads:
        kill(attention.o_proj, outgoing_of=range(4 * head, 4 * head + 4))


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_llama_loses_key_value_groups_and_heads(attention):
    model = llama(attn_implementation=attention)
    first, second = model.model.layers
    kill_heads(first.self_attn, 0, 1, 4)  # group 0; 4 is alone in its group
    kill(second.self_attn.v_proj, incoming_of=range(4, 8))  # group 1
    kill_heads(second.self_attn, 0, 1, 5, 6)  # one of each other group; two of group 0
    kill(second.mlp.down_proj, outgoing_of=range(10))
    kill(second.mlp.gate_proj, incoming_of=range(10, 15))
    compacted = check(model, TOKENS, 1e-5)
    found = units(compacted)
    assert found["model.layers.0.self_attn"] == 6
    assert found["model.layers.0.self_attn.k_proj"] == 12
    assert found["model.layers.1.mlp.up_proj"] == 9
    assert found["model.layers.1.self_attn"] == 2
    assert found["model.layers.1.self_attn.v_proj"] == 8
    uneven = "in each key/value group, the same number of heads must be dead"
    assert f"layer 'model.layers.0.self_attn' keeps 1 dead head: {uneven}" in compacted.kept
    small = [layer.self_attn for layer in compacted.model.model.layers]
    assert [part.num_key_value_groups for part in small] == [2, 1]
    for use_cache in (True, False):
        texts = [
            each.generate(TOKENS[:, :3], max_new_tokens=3, do_sample=False, use_cache=use_cache)
            for each in (model, compacted.model)
        ]
        assert torch.equal(*texts)


@pytest.mark.parametrize("tie", [True, False])
def test_llama_loses_width(tie):
    model = llama(tie_word_embeddings=tie)
    with torch.no_grad():
        model.model.embed_tokens.weight[:, :4] = 0
        for layer in model.model.layers:
            silence([layer.self_attn.o_proj, layer.mlp.down_proj], range(4))
    compacted = check(model, TOKENS, 1e-5)
    found = units(compacted)
    assert found["model.embed_tokens"] == found["model.layers.1.mlp.down_proj"] == 12
    small = compacted.model
    assert (small.lm_head.weight is small.model.embed_tokens.weight) == tie


def test_timm_resnet18():
    timm = pytest.importorskip("timm")
    model = randomized(timm.create_model("resnet18", num_classes=3))
    with torch.no_grad():
        model.layer2[0].bn1.weight[:20] = 0
        model.layer2[0].bn1.bias[:20] = -1  # ReLU makes 0 of it
        for norm in (model.bn1, model.layer1[0].bn2, model.layer1[1].bn2):
            norm.weight[:16], norm.bias[:16] = 0, 0
    X = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    found = units(check(model, X, 1e-9))
    assert found["layer2.0.conv1"] == 108
    assert found["conv1"] == found["layer1.1.conv2"] == 48


def test_timm_vit_tiny():
    timm = pytest.importorskip("timm")
    model = timm.create_model("vit_tiny_patch16_224", img_size=32, depth=2, num_classes=3)
    model = randomized(model)
    first, second = model.blocks
    kill(first.attn.proj, outgoing_of=range(64))
    kill(second.attn.qkv, incoming_of=range(448, 512))
    kill(second.mlp.fc2, outgoing_of=range(100))
    dead = range(48)
    writers = [model.patch_embed.proj]
    norms = [model.norm]
    for block in model.blocks:
        writers += [block.attn.proj, block.mlp.fc2]
        norms += [block.norm1, block.norm2]
    silence(writers, dead)
    with torch.no_grad():
        model.cls_token[..., :48], model.pos_embed[..., :48] = 0, 0
        for norm in norms:
            norm.weight[:48] = 0
    compacted = check(model, torch.randn(2, 3, 32, 32, dtype=torch.float64), 1e-9)
    found = units(compacted)
    assert found["blocks.0.attn"] == found["blocks.1.attn"] == 2
    assert found["blocks.1.mlp.fc1"] == 668
    assert found["patch_embed.proj"] == found["blocks.1.mlp.fc2"] == 144
    assert isinstance(compacted.model.head, nn.Linear)
    assert compacted.model.head.in_features == 144
