# %% [markdown]
# # will_it_fit
