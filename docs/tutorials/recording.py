# %% [markdown]
# # recording
