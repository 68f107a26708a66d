# %% [markdown]
# # nir_graph
