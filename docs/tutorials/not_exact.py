# %% [markdown]
# # not_exact
