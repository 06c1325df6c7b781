"""Texts of many languages, in the code pages that systems have written them in."""

import pytest
from support.files import FileError

from code_pages import find_encoding

TEXTS = {
    "cp1252 cp850": [
        "Straße,Prüfung,Öl,Bär",
        "élève,garçon,où,château,Noël",
        "niño,corazón,mañana,árbol",
        "coração,não,pão,avó",
        "smörgås,fjäll,lön",
        "rødgrød,æble,år,søm",
    ],
    "cp1252": [
        "1\u00a0234 \u20ac,l\u2019été,«\u00a0où\u00a0»,forêt,à",
        "þjóð,maður,ljós",
        "MÜNCHEN,KÖLN,ÄRZTE",
        # Signs alone, of which other pages make letters
        "£2 050.75,£18.20",
        "12\u00a0500,7\u00a0300",
        "21 °C,-3 °C",
        "18 €,€ 7.50",
        "40 µg/m³,9 µg/m³",
        "§ 12,§ 7a",
        "d’or,s’il",
        "and so on…,…",
        "Mon–Wed,1914–1918",
        "½,¾",
        "Århus,Tromsø,Hjørring",
        "Umeå,Ängelholm,Visby",
    ],
    "mac_roman cp1252": ["forêt,crème,français,déjà,çà"],
    "cp1254": ["öğrenci,ışık,şeker,çiçek"],
    "cp1250 iso8859_2 cp852": [
        "zażółć,gęślą,jaźń,łódź",
        "žluťoučký,kůň,příliš,děti",
        "őrült,fűtés,kávé,ház",
    ],
    "cp1257": ["ąžuolas,ėjimas,šūkis,vėžys", "šķēres,ģimene,ņemt,kļava"],
    "cp1251 koi8_r cp866 iso8859_5": ["молоко,хлеб,Сахар,мясо,рыба", "Иван,Пётр,Анна,Ольга"],
    "cp1251": ["їжак,п'ять,єдність,ґанок", "љубав,ђак,чаша,њива"],
    "cp1253 iso8859_7": ["γάλα,ψωμί,ζάχαρη,Κρήτη"],
    "cp1255": ["חלב,לחם,סוכר,בשר,דגים"],
    "cp1256": ["حليب,خبز,سكر,لحم,سمك", "شير,نان,گوشت,پنير"],
    "cp874": ["นม,ขนมปัง,น้ำตาล,เนื้อ"],
    "gb18030": ["牛奶,面包,白糖,猪肉,鱼", "张三,李四,王五"],
    "big5": ["牛奶,麵包,豬肉,魚,雞蛋"],
    "cp932 euc_jp iso2022_jp": ["牛乳,パン,さとう,豚肉", "ひらがな,カタカナ"],
    "cp949": ["우유,빵,설탕,고기,생선"],
    "utf-8 utf-16 utf-32 utf-8-sig": ["zażółć,молоко,牛奶"],
}


@pytest.mark.parametrize(
    "text, page",
    [(text, page) for pages, texts in TEXTS.items() for text in texts for page in pages.split()],
)
def test_a_text_is_read_in_its_code_page(text, page):
    written = "".join(f"{word},{row},{row * 1.5}\n" for row, word in enumerate(text.split(",")))
    content = f"name,number,price\n{written}".encode(page)
    found, guessed = find_encoding(content)
    assert content.decode(found).removeprefix("\ufeff") == f"name,number,price\n{written}"
    assert guessed == (not page.startswith("utf"))


def test_what_is_no_text_of_a_language_is_refused():
    noise = bytes(range(128, 256)) * 3
    with pytest.raises(FileError, match="its encoding is not known: save it as UTF-8"):
        find_encoding(noise)


@pytest.mark.parametrize("page", ["cp1252", "mac_roman", "cp850"])
def test_a_blank_between_digits_is_no_letter(page):
    content = "prix,x\n1\u00a0234,50,2\n12\u00a0000,00,3\n"
    assert content.encode(page).decode(find_encoding(content.encode(page))[0]) == content


def test_units_behind_numbers_stay_letters():
    content = "вес,x\n5кг,1\n70кг,2\nМосква 3,4\n"
    assert find_encoding(content.encode("cp1251"))[0] == "cp1251"
