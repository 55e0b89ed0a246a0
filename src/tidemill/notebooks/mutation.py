"""Which methods and functions change their object in place, as far as a reader of the source can know."""

from __future__ import annotations

from tidemill.notebooks.word_list import words

MUTATING_METHODS = words(
    """
    append extend insert remove pop clear sort reverse update setdefault popitem add discard difference_update
    intersection_update symmetric_difference_update appendleft extendleft popleft rotate
    fit partial_fit fit_transform fit_predict fit_resample set_params fill itemset setflags setfield
    write writelines seek truncate readline readlines send throw close subtract move_to_end
    load_state_dict train eval backward step zero_grad requires_grad_ set_index_inplace register_forward_hook
    add_module __setitem__ __delitem__ __setattr__ __iadd__ feed push enqueue put put_nowait get_nowait task_done
    """
)
"""Names that change their object in the standard library, pandas, numpy, scikit-learn or torch."""

READING_METHODS = words(
    """
    abs add_prefix add_suffix agg aggregate align all any apply applymap argmax argmin argsort asfreq asof assign astype
    at_time autocorr between between_time bfill bool boxplot capitalize casefold cat center clip combine combine_first
    compare conj conjugate contains convert_dtypes copy corr corrwith cos count cov crosstab cummax cummin cumprod
    cumsum cut day_name decision_function decode describe diagonal diff difference div divide dot drop drop_duplicates
    dropna duplicated encode endswith eq equals eval ewm exp expand expanding expandtabs explode factorize ffill
    fillna filter find findall first first_valid_index flatten floordiv format format_map fromkeys ge get get_dummies
    get_feature_names_out get_group get_level_values get_loc get_params group groupby groupdict groups gt head hist
    idxmax idxmin index infer_objects info insort_key interpolate intersection inverse_transform isalnum isalpha
    isdecimal isdigit isdisjoint isidentifier isin islower isna isnull isnumeric isspace issubset issuperset istitle
    isupper item items iteritems iterrows itertuples join keys kurt last last_valid_index le ljust log lower lstrip lt
    map mask match max mean median melt memory_usage merge min mod mode mul multiply name ne nlargest nonzero notna
    notnull nsmallest nunique partition pct_change pipe pivot pivot_table plot pow predict predict_log_proba
    predict_proba prod product quantile query radd rank ravel rdiv reindex reindex_like removeprefix removesuffix
    rename rename_axis reorder_levels repeat replace resample reset_index reshape rfind rindex rjust rmul rolling
    round rpartition rsplit rstrip sample savefig score score_samples search sem set_axis set_index shift show sin
    size skew slice sort_index sort_values span split splitlines sqrt squeeze stack start startswith std strftime
    strip strptime sub sum swapaxes swapcase swaplevel tail take tan title to_clipboard to_csv to_dict to_excel
    to_feather to_frame to_html to_json to_latex to_list to_markdown to_numpy to_parquet to_period to_pickle
    to_records to_sql to_string to_timestamp to_xarray tobytes tofile tolist total_seconds trace transform translate
    transpose truediv truncate_copy tz_convert tz_localize union unique unstack upper value_counts values var view
    where with_columns with_suffix xs zfill isoformat date time weekday timestamp timetuple exists is_file is_dir
    read_text read_bytes iterdir glob rglob resolve as_posix hexdigest digest cpu numpy detach clone tocsr tocsc
    toarray todense get_booster staged_predict kneighbors named_steps select to_pandas to_arrow debug info warning
    error
    """
)
"""Names that leave their object as it is (with `inplace=True` they do not); used to keep needless versions away."""

MUTATING_FUNCTIONS = dict.fromkeys(
    [
        "shuffle",
        "heappush",
        "heappop",
        "heapify",
        "heapreplace",
        "heappushpop",
        "insort",
        "insort_left",
        "insort_right",
        "put",
        "copyto",
        "fill_diagonal",
        "place",
        "putmask",
        "put_along_axis",
        "setattr",
        "delattr",
        "next",
        "exec_module",
        "setitem",
        "delitem",
    ],
    0,
)
"""Functions of libraries that change the argument at this position, by the last part of their name."""


def method_changes(name: str, *, inplace: bool) -> bool | None:
    """Does a method change its object: True, None (not known), or False."""
    if inplace or name in MUTATING_METHODS or (name.endswith("_") and not name.startswith("_")):
        return True
    return False if name in READING_METHODS else None
