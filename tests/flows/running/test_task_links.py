from flows.running import task_links


def test_the_links_of_the_newest_results_stay():
    links: dict[int, str] = task_links._Newest({1: "first"})
    for number in range(2, task_links._KEPT + 1):
        links[number] = "later"
    links[1] = "again"
    links[0] = "last"
    assert len(links) == task_links._KEPT
    assert (links[1], links[0]) == ("again", "last")
    assert 2 not in links
