# %% [markdown]
# # cpg_codes
