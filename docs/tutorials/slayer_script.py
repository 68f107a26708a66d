# %% [markdown]
# # slayer_script
