# %% [markdown]
# # own_loop
